"""What `predict` takes: slow pipes, images on standard input, addresses."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.processes import start
from tests.data.servers import serve


def stdin_of(data: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(data))


def paths_in(out: str) -> list[str]:
    return [json.loads(line)["path"] for line in out.splitlines()]


@pytest.fixture
def reading(run):
    """Start `predict -` as a process, without a buffer on the way into it."""

    def begin(*options) -> subprocess.Popen:
        return start("predict", "-", *options, "--run", run, stdin=subprocess.PIPE, text=False, bufsize=0)

    return begin


@pytest.mark.parametrize("form", ["--json", "--csv", None])
def test_each_path_is_answered_before_the_next_one_comes(reading, photo, form):
    with reading(*([form] if form else [])) as process:
        if form == "--csv":
            assert process.stdout.readline().startswith(b"path,")
        for _ in range(3):
            process.stdin.write(os.fsencode(photo) + b"\n")
            assert os.fsencode(photo) in process.stdout.readline()
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(60) == 0


def test_a_path_that_comes_in_pieces_is_one(reading, photo):
    with reading("--json") as process:
        name = os.fsencode(photo)
        process.stdin.write(name[:3])
        process.stdin.write(name[3:] + b"\n" + name)
        assert json.loads(process.stdout.readline())["path"] == str(photo)
        process.stdin.close()
        assert json.loads(process.stdout.readline())["path"] == str(photo)


def test_ctrl_c_while_it_waits_for_paths_ends_it(reading, photo):
    with reading() as process:
        process.stdin.write(os.fsencode(photo) + b"\n")
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert b"Error: Interrupted." in process.stderr.read()


def test_the_first_answer_comes_before_the_last_photo_is_read(run, photo):
    """The last of many photos is a path that nobody has put there yet."""
    Path("many").mkdir()
    for i in range(20):
        os.link(photo, f"many/{i:02}.jpg")
    os.mkfifo("last.jpg")  # read as an empty file, unless it has been replaced by then
    with start("predict", "many", "last.jpg", "--batch-size", 1, "--json", "--run", run, bufsize=0) as process:
        first = process.stdout.readline()
        assert json.loads(first)["path"] == "many/00.jpg"
        rest = process.stdout.read()
        assert process.wait(60) == 1
    assert paths_in(rest)[-1] == "last.jpg"


IMAGES = (".jpg", ".png", ".bmp", ".gif", ".webp", ".tif")


@pytest.mark.parametrize("suffix", IMAGES)
def test_an_image_on_standard_input_is_answered_as_its_file_is(predict, photo, monkeypatch, suffix):
    from PIL import Image

    path = f"photo{suffix}"
    Image.open(photo).save(path)
    (expected,) = map(json.loads, predict(path, "--json")[1].splitlines())
    monkeypatch.setattr(sys, "stdin", stdin_of(Path(path).read_bytes()))
    (found,) = map(json.loads, predict("-", "--json")[1].splitlines())
    assert found == {**expected, "path": "-"}


def test_an_image_that_comes_in_pieces_is_one(reading, photo):
    with reading("--json") as process:
        data = photo.read_bytes()
        for piece in (data[:1], data[1:4], data[4:500], data[500:]):
            process.stdin.write(piece)
        process.stdin.close()
        assert json.loads(process.stdout.readline())["label"]
        assert process.wait(60) == 0


@pytest.mark.parametrize("name", ["BMW.jpg", "GIF89a.jpg", "RIFF.jpg", "II.jpg", "MM.jpg", "x.jpg"])
def test_a_path_that_begins_as_an_image_is_a_path(reading, photo, name):
    os.link(photo, name)
    with reading("--json") as process:
        process.stdin.write(name.encode() + b"\n")
        answer = json.loads(process.stdout.readline())
        process.stdin.close()
    assert (answer["path"], "label" in answer) == (name, True)


@pytest.mark.parametrize(
    "data", [b"\xff\xd8\xff\xe0\0\x10JFIF broken", b"\0\0\0\x18ftypheic what isn't read", b"\x89PNG\r\n\x1a\n\0"]
)
def test_a_broken_image_on_standard_input_is_told(predict, monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", stdin_of(data))
    status, out, _ = predict("-", "--json")
    assert status == 1
    assert json.loads(out)["path"] == "-"
    assert json.loads(out)["error"].startswith("-: ")


def test_what_is_neither_an_image_nor_paths_is_refused(predict, monkeypatch):
    monkeypatch.setattr(sys, "stdin", stdin_of(b"x" * 200_000))
    status, out, err = predict("-")
    assert (status, out) == (1, "")
    assert err.startswith("Error: -: neither an image nor paths")


def test_standard_input_without_end_is_given_up(run):
    with Path("/dev/zero").open("rb") as zeros:
        done = subprocess.run(
            [sys.executable, "-m", "hotdog_ft", "predict", "-", "--run", run],
            stdin=zeros, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("Error: -: an image of more than 256 MiB")


def test_closed_standard_input_is_told(predict, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    status, _, err = predict("-")
    assert status == 2
    assert err.startswith("Error: -: standard input is closed")


def test_standard_input_is_read_among_other_arguments(predict, photos, monkeypatch):
    first, second, third = (str(photos / "test" / "red" / f"{i}.jpg") for i in range(3))
    monkeypatch.setattr(sys, "stdin", stdin_of(second.encode()))
    assert paths_in(predict(first, "-", third, "--json")[1]) == [first, second, third]


def test_standard_input_is_read_once(predict):
    status, _, err = predict("-", "-")
    assert status == 2
    assert err.startswith("Error: -: given twice")


def test_an_address_is_answered_as_its_file_is(predict, photo):
    with serve(photo.read_bytes()) as server:
        expected, found = map(json.loads, predict(photo, server.url, "--json")[1].splitlines())
    assert found == {**expected, "path": server.url}


def test_addresses_come_by_standard_input(predict, photo, monkeypatch):
    with serve(photo.read_bytes()) as server:
        monkeypatch.setattr(sys, "stdin", stdin_of(f"{server.url}\n{photo}\n{server.url}?x=[1]\n".encode()))
        status, out, _ = predict("-", "--json")
    assert status == 0
    assert paths_in(out) == [server.url, str(photo), f"{server.url}?x=[1]"]


@pytest.mark.parametrize("behaviour", ["not_found", "html", "breaks_once", "rubbish"])
def test_a_bad_server_costs_its_photo_and_not_the_others(predict, photo, behaviour):
    with serve(photo.read_bytes(), behaviour) as server:
        status, out, _ = predict(photo, server.url, photo, "--json")
    assert status == 1
    assert paths_in(out) == [str(photo), server.url, str(photo)]
    assert ["error" in json.loads(line) for line in out.splitlines()] == [False, True, False]


def test_ctrl_c_does_not_wait_for_a_server(run, photo):
    with (
        serve(photo.read_bytes(), "drips") as server,
        start("predict", photo, server.url, "--run", run) as process,
    ):
        assert str(photo) in process.stdout.readline()  # without the one that drips
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert server.requests


def test_a_folder_among_the_lines_is_named_as_one(predict, photos, monkeypatch):
    monkeypatch.setattr(sys, "stdin", stdin_of(f"{photos}\n".encode()))
    status, _, err = predict("-")
    assert status == 1
    assert err == f"Error: {photos}: a folder, not a photo.\n"


MEMORY = 16
"""MiB that 3,900 photos more may add: 4 KiB each, less than their pixels or what the network sees of them."""


@pytest.mark.slow
def test_memory_is_flat_over_5000_photos(run, photo):
    Path("many").mkdir()
    for i in range(5000):
        os.link(photo, f"many/{i:04}.jpg")
    with start("predict", "many", "--json", "--run", run) as process:
        answered, memory = 0, {}
        for line in process.stdout:
            answered += "label" in json.loads(line)
            if answered in (1000, 4900):
                status = Path(f"/proc/{process.pid}/status").read_text()
                memory[answered] = int(status.split("VmRSS:")[1].split()[0]) // 1024
        assert process.wait(60) == 0
    assert answered == 5000
    assert memory[4900] - memory[1000] < MEMORY

"""`predict --move-to` and `--copy-to`, by the command line."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.cli.conftest import CLASSES
from tests.cli.processes import start
from tests.data.servers import serve


def records(out: str) -> list[dict]:
    return [json.loads(line) for line in out.splitlines()]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def flat(photos) -> Path:
    """A folder of photos of all kinds, and one that can't be read."""
    folder = Path("flat")
    folder.mkdir()
    for i, path in enumerate(sorted(photos.rglob("*.jpg"))):
        shutil.copy(path, folder / f"{i:02}.jpg")
    (folder / "broken.jpg").write_text("not a photo")
    return folder


@pytest.mark.parametrize("form", ["--json", "--csv", None])
@pytest.mark.parametrize("sort", [[], ["--sort", "doubt"]])
def test_photos_are_moved_and_answered_under_their_old_names(predict, flat, form, sort):
    options = [*([form] if form else []), *sort]
    expected, before = predict(flat, *options), files(flat)
    status, out, err = predict(flat, *options, "--move-to", "sorted")
    assert status == 1  # for the broken one
    assert out == expected[1]
    assert "22 photos moved into sorted" in err
    assert files(flat) == {"broken.jpg": b"not a photo"}
    del before["broken.jpg"]
    assert {Path(name).name: data for name, data in files(Path("sorted")).items()} == before


def test_each_photo_is_in_the_folder_of_its_label(predict, flat):
    labels = {record["path"]: record.get("label") for record in records(predict(flat, "--json", "--copy-to", "out")[1])}
    found = {os.path.join("flat", Path(name).name): os.path.dirname(name) for name in files(Path("out"))}
    assert found == {path: label for path, label in labels.items() if label}
    assert set(found.values()) == set(CLASSES)


def test_what_is_unknown_has_a_folder_too(predict, photo):
    predict(photo, "--unknown-below", 1, "--copy-to", "out")
    assert list(files(Path("out"))) == ["unknown/0.jpg"]


def test_sorting_again_leaves_all_where_it_is(predict, flat):
    predict(flat, "--move-to", "sorted")
    before = files(Path("sorted"))
    status, _, _ = predict("sorted", "--move-to", "sorted")
    assert (status, files(Path("sorted"))) == (0, before)


def test_a_photo_named_twice_is_moved_once(predict, flat):
    status, _, err = predict(flat / "00.jpg", flat / "00.jpg", "--move-to", "sorted", "--json")
    assert status == 1
    assert "flat/00.jpg: not moved: No such file or directory" in err
    assert [Path(name).name for name in files(Path("sorted"))] == ["00.jpg"]


@pytest.mark.parametrize("source", ["address", "stdin"])
def test_what_is_no_file_is_copied(predict, photo, source, monkeypatch):
    import io
    import sys

    data = photo.read_bytes()
    with serve(data) as server:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        status, _, _ = predict(server.url if source == "address" else "-", "--copy-to", "out")
    assert status == 0
    (name,) = files(Path("out"))
    assert files(Path("out"))[name] == data
    assert Path(name).name == ("hotdog.jpg" if source == "address" else "stdin.jpg")


def test_what_is_no_file_is_not_moved(predict, photo, monkeypatch):
    import io
    import sys

    status, out, err = predict("https://127.0.0.1/a.jpg", "--move-to", "out")
    assert (status, out) == (2, "")
    assert err.startswith("Error: --move-to: https://127.0.0.1/a.jpg can't be moved.")
    with serve(photo.read_bytes()) as server:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{server.url}\n{photo}".encode())))
        status, out, err = predict("-", "--move-to", "out", "--json")
    assert status == 1
    assert all("label" in record for record in records(out))
    assert f"{server.url}: not moved: it is no file." in err
    assert [Path(name).name for name in files(Path("out"))] == ["0.jpg"]


def test_ctrl_c_loses_nothing(run, flat):
    before = sorted(files(flat).values())
    command = ("predict", flat, "--move-to", "sorted", "--batch-size", "1", "--json", "--run", run)
    with start(*command, bufsize=0) as process:
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) in (130, 1)
    assert sorted([*files(flat).values(), *files(Path("sorted")).values()]) == before


def test_a_reader_that_has_seen_enough_loses_nothing(run, flat):
    before = sorted(files(flat).values())
    with start("predict", flat, "--move-to", "sorted", "--batch-size", "1", "--run", run, bufsize=0) as process:
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) in (0, 1, 141)
    assert sorted([*files(flat).values(), *files(Path("sorted")).values()]) == before


def test_a_folder_that_cannot_be_one_is_refused(predict, photo):
    Path("file").write_text("")
    for option in ("--move-to", "--copy-to"):
        for place in ("file", ""):
            status, out, err = predict(photo, option, place)
            assert (status, out) == (2, "")
            assert err.startswith(f"Error: {option}: ")
    assert predict(photo, "--move-to", "file/below")[0] == 1
    assert photo.exists()


def test_moving_and_copying_exclude_each_other(predict, photo):
    status, _, err = predict(photo, "--move-to", "a", "--copy-to", "b")
    assert status == 2
    assert err.startswith("Error: --copy-to and --move-to exclude each other.")
    assert not Path("a").exists()
    assert not Path("b").exists()

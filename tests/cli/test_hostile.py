"""Input that was made to do harm, or looks so: it is named, and costs nothing but itself."""

from __future__ import annotations

import json
import os
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from tests.conftest import draw, save


def png(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that says it has so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(10_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def jpeg(photo: Path) -> bytearray:
    return bytearray(photo.read_bytes())


def huge_jpeg(photo: Path) -> bytes:
    """One whose header says 50,000 x 50,000 pixels."""
    data = jpeg(photo)
    start = data.find(b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", 50_000, 50_000)
    return bytes(data)


def broken_exif(photo: Path) -> bytes:
    """A whole JPEG whose EXIF points far behind its end."""
    exif = b"Exif\0\0MM\0*" + struct.pack(">I", 0xFFFFFFF0) + b"\xff" * 20
    return b"\xff\xd8\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + bytes(jpeg(photo)[2:])


@pytest.fixture
def hostile(photos) -> dict[str, int]:
    """Photos of all bad kinds, among the good ones that are trained on. Returns how many there are of each."""
    folder = photos / "train" / "red"
    good = folder / "0.jpg"
    (folder / "truncated.jpg").write_bytes(jpeg(good)[:500])
    (folder / "bomb.png").write_bytes(png(50_000, 50_000))
    (folder / "bomb2.png").write_bytes(png(20_000, 20_000))
    (folder / "bomb.jpg").write_bytes(huge_jpeg(good))
    (folder / "text.jpg").write_text("hot dog")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "folder.gif").write_bytes(b"GIF89a" + b"\xff" * 10)
    os.mkfifo(folder / "pipe.jpg")
    (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
    (folder / "gone.jpg").symlink_to(folder / "never.jpg")
    (folder / "self").symlink_to(folder)
    bad = 10
    (folder / "exif.jpg").write_bytes(broken_exif(good))
    for name in (b"two\nlines.png", b"\xff\xfe.png", "\U0001f32d.png".encode(), b"-rf.png", b"$(reboot).png"):
        save(folder / "fine.png", draw((200, 60, 60), 7)).rename(os.fsdecode(os.path.join(os.fsencode(folder), name)))
    return {"bad": bad, "good": 16 + 6}


def test_training_goes_on_without_them(run_cli, quick, hostile):
    status, out, err = run_cli("train", *quick)
    assert status == 0, err
    assert f"{hostile['bad']} photos that can't be read: skipped." in out
    skipped = [line for line in err.splitlines() if line.startswith("Warning: Skipped: ")]
    assert len(skipped) == hostile["bad"]
    for name, reason in (
        ("truncated.jpg", "breaks off"),
        ("bomb.png", "50000 x 50000 pixels are more than the 268 million that are read"),
        ("bomb2.png", "20000 x 20000 pixels"),
        ("bomb.jpg", "50000 x 50000 pixels"),
        ("text.jpg", "not an image"),
        ("empty.jpg", "the file is empty"),
        ("pipe.jpg", ""),
        ("loop.jpg", "Too many levels of symbolic links"),
        ("gone.jpg", "No such file"),
    ):
        assert any(f"/{name}: " in line and reason in line for line in skipped), name
    assert "Traceback" not in err


def test_strict_names_the_first_of_them(run_cli, quick, hostile):
    status, out, err = run_cli("train", *quick, "--strict", "--out", "run")
    assert (status, out) == (1, "")
    assert err.splitlines()[-2].startswith("Error: ")
    assert not Path("run").exists()


@pytest.mark.parametrize("method", ["probe", "lp-ft"])
def test_a_probe_goes_on_without_them_each_told_once(run_cli, quick, source, hostile, method):
    for _ in range(2):  # the second time, features of the good ones come from the cache
        status, out, err = run_cli("train", *quick, "--weights", source, "--method", method)
        assert status == 0, err
        assert f"{hostile['bad']} photos that can't be read: skipped." in out
        skipped = [line.split(": ")[2] for line in err.splitlines() if line.startswith("Warning: Skipped: ")]
        assert len(skipped) == len(set(skipped)) == hostile["bad"]


@pytest.mark.parametrize("method", ["probe", "lp-ft"])
def test_a_strict_probe_names_the_first_of_them(run_cli, quick, source, hostile, method):
    status, out, err = run_cli("train", *quick, "--weights", source, "--method", method, "--strict", "--out", "run")
    assert (status, out) == (1, "")
    assert err.splitlines()[-2].startswith("Error: ")
    assert not Path("run").exists()


def test_data_check_names_them_all(run_cli, photos, hostile):
    status, out, err = run_cli("data", "check", photos, "--json")
    assert status == 0, err
    broken = {Path(path).name for f in json.loads(out)["findings"] if "broken" in f["kinds"] for path in f["paths"]}
    assert len(broken) == hostile["bad"]


def test_predict_answers_each_in_order(run_cli, trained, photos, request):
    run = trained()
    hostile = request.getfixturevalue("hostile")
    status, out, _ = run_cli("predict", photos / "train" / "red", "--run", run, "--json")
    answers = [json.loads(line) for line in out.splitlines()]
    assert status == 1
    assert sum("error" in answer for answer in answers) == hostile["bad"]
    assert sum("label" in answer for answer in answers) == 8 + 6


@pytest.fixture
def bomb(tmp_path) -> Path:
    """A ZIP of 1 MB that would become 1 GiB."""
    path = tmp_path / "bomb.zip"
    zeros = bytes(1 << 26)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(16):
            archive.writestr(f"train/red/{i}.bmp", zeros)
    return path


def cache() -> list[Path]:
    return [path for path in Path(os.environ["HOTDOG_FT_HOME"]).rglob("*") if path.is_file()]


def test_a_zip_that_would_fill_the_disk_is_refused(run_cli, bomb):
    status, _, err = run_cli("train", "--data", bomb, "--model", "mobilenet0.25", "--weights", "none")
    assert status == 1
    assert "bomb.zip: would become 1024 MiB" in err
    assert not cache()


def test_a_zip_that_lies_about_its_sizes_is_refused(run_cli, tmp_path, bomb):
    data = bytearray(bomb.read_bytes())
    start = 0
    while (start := data.find(b"PK\x01\x02", start)) >= 0:  # in the table at the end, each says it has 1,000 bytes
        data[start + 24 : start + 28] = struct.pack("<I", 1000)
        start += 4
    bomb.write_bytes(data)
    status, _, err = run_cli("train", "--data", bomb, "--model", "mobilenet0.25", "--weights", "none")
    assert status == 1
    assert err.startswith("Error: ")
    assert "bomb.zip: " in err
    assert sum(path.stat().st_size for path in cache()) < 1 << 20


def test_an_archive_in_an_archive_is_named(run_cli, tmp_path, bomb):
    path = tmp_path / "outer.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(bomb, "photos.zip")
    status, _, err = run_cli("train", "--data", path, "--model", "mobilenet0.25", "--weights", "none")
    assert status == 1
    assert "outer.zip: no images in it, but 'photos.zip', which is an archive itself." in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr: !!python/object/apply:os.system ['touch owned']", "not valid YAML"),
        ("!!python/object/new:os.system ['touch owned']", "not valid YAML"),
        ("lr: !include /etc/passwd", "not valid YAML"),
        ("batch_sise: 3", "unknown setting 'batch_sise' (did you mean 'batch_size'?)"),
        ("batch_size: [1, 2]", "batch_size: should be a valid integer"),
        ("- lr", "not a list of settings"),
        ("[" * 10_000, "nested too deep"),
        ("lr: 0.1\nlr: {a: b}", "lr: should be a valid number"),
        ("? [1]\n: 2", "not valid YAML"),
        ("1: 2", "unknown setting 1"),
    ],
    ids=range(10),
)
def test_a_configuration_that_is_none(run_cli, text, message):
    Path("c.yaml").write_text(text)
    status, out, err = run_cli("train", "--config", "c.yaml")
    assert (status, out) == (2, "")
    assert err.startswith("Error: c.yaml: ")
    assert message in err
    assert not Path("owned").exists()


def test_a_configuration_that_grows_without_end_is_cut_short(run_cli):
    lines = ['a0: &a0 ["ha", "ha", "ha", "ha", "ha", "ha", "ha", "ha", "ha", "ha"]']
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    Path("c.yaml").write_text("\n".join([*lines, "lr: *a11", "data: *a11"]))
    status, _, err = run_cli("train", "--config", "c.yaml")
    assert status == 2
    assert "c.yaml: lr: should be a valid number" in err
    assert len(err) < 3000

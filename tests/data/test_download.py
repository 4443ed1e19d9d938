from __future__ import annotations

import hashlib
import io
import multiprocessing
import random
import zipfile

import pytest

from hotdog_ft.data import download
from hotdog_ft.data.download import fetch
from hotdog_ft.errors import DownloadError
from tests.data.servers import refusing_url, serve

CONTENT = random.Random(0).randbytes(300_000)
CHECKSUM = f"sha1:{hashlib.sha1(CONTENT).hexdigest()}"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "hotdog.zip"


def leftovers(path):
    return {p.name for p in path.parent.iterdir()} - {path.name, path.name + ".part.lock"}


@pytest.mark.parametrize("behaviour", ["good", "ignores_ranges", "without_length", "redirects"])
def test_a_file_is_fetched(path, behaviour):
    with serve(CONTENT, behaviour) as server:
        assert fetch([server.url], path, CHECKSUM, "by hand") == path
    assert path.read_bytes() == CONTENT
    assert not leftovers(path)


def test_a_copy_already_there_needs_no_network(path):
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    assert fetch([refusing_url()], path, CHECKSUM, "by hand") == path


def test_a_wrong_copy_already_there_is_replaced(path):
    path.parent.mkdir()
    path.write_bytes(CONTENT[:1000])
    with serve(CONTENT) as server:
        fetch([server.url], path, CHECKSUM, "by hand")
    assert path.read_bytes() == CONTENT


def test_a_break_is_resumed_where_it_broke_off(path):
    with serve(CONTENT, "breaks_once") as server:
        with pytest.raises(DownloadError):
            fetch([server.url], path, CHECKSUM, "by hand")
        assert not path.exists()
        have = path.with_name("hotdog.zip.part").stat().st_size
        assert 0 < have <= len(CONTENT) // 2
        fetch([server.url], path, CHECKSUM, "by hand")
        assert server.requests == [None, f"bytes={have}-"]
    assert path.read_bytes() == CONTENT
    assert not leftovers(path)


def test_the_next_source_goes_on_where_the_first_broke_off(path):
    with serve(CONTENT, "breaks_once") as first, serve(CONTENT) as second:
        fetch([first.url, second.url], path, CHECKSUM, "by hand")
        assert second.requests[0].startswith("bytes=")
    assert path.read_bytes() == CONTENT


def test_a_source_that_ignores_ranges_sends_it_all_again(path):
    path.parent.mkdir()
    path.with_name("hotdog.zip.part").write_bytes(b"x" * 1000)
    with serve(CONTENT, "ignores_ranges") as server:
        fetch([server.url], path, CHECKSUM, "by hand")
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("have", [len(CONTENT), len(CONTENT) + 5])
def test_a_part_as_long_as_the_file_or_longer_is_settled(path, have):
    path.parent.mkdir()
    path.with_name("hotdog.zip.part").write_bytes((CONTENT + b"extra")[:have])
    with serve(CONTENT) as server:
        fetch([server.url], path, CHECKSUM, "by hand")
    assert path.read_bytes() == CONTENT


def test_a_stale_part_of_another_file_does_not_spoil_the_download(path):
    path.parent.mkdir()
    path.with_name("hotdog.zip.part").write_bytes(b"stale" * 100)
    with serve(CONTENT) as server:
        # What was resumed onto the stale part fails its checksum; the same source is then asked for the whole.
        fetch([server.url, server.url], path, CHECKSUM, "by hand")
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("not_found", "HTTP 404"),
        ("forbidden", "HTTP 403"),
        ("fails", "HTTP 500"),
        ("html", "sent a web page (54 bytes) in place of the file"),
        ("lfs_pointer", "sent a Git LFS pointer"),
        ("wrong", "sent another file (300000 bytes, sha1 differs)"),
        ("promises_less", "sent another file (150000 bytes"),
        ("bad_length", ""),
        ("bad_redirect", ""),
        ("nothing_left", "HTTP 416"),
        ("stalls", "silent for 1 s"),
    ],
)
def test_a_bad_source_is_told_and_the_next_one_used(path, behaviour, reason, monkeypatch, caplog):
    monkeypatch.setattr(download, "READ_TIMEOUT", 1)
    with serve(CONTENT, behaviour) as bad, serve(CONTENT) as good:
        fetch([bad.url, good.url], path, CHECKSUM, "by hand")
    assert path.read_bytes() == CONTENT
    assert f"{bad.url}: {reason}" in caplog.text
    assert not leftovers(path)


def test_when_none_works_each_is_named_with_its_reason_and_nothing_is_left(path):
    refused = refusing_url()
    with serve(CONTENT, "not_found") as missing, serve(b"something else") as wrong:
        urls = [refused, missing.url, wrong.url]
        with pytest.raises(DownloadError) as caught:
            fetch(urls, path, CHECKSUM, "put it there by hand")
    message = caught.value.message
    assert f"{refused}: " in message
    assert "refused" in message
    assert f"{missing.url}: HTTP 404" in message
    assert f"{wrong.url}: sent another file" in message
    assert caught.value.hint == "put it there by hand"
    assert not path.exists()


def test_a_host_that_cannot_be_found_is_told_in_words(path):
    with pytest.raises(DownloadError, match="can't be found"):
        fetch(["http://nosuch.invalid/hotdog.zip"], path, CHECKSUM, "by hand")


def test_a_file_inside_a_zip_is_taken_out_and_checked(path):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("weights.params", CONTENT)
    with serve(archive.getvalue()) as server:
        fetch([server.url], path, CHECKSUM, "by hand", member="weights.params")
    assert path.read_bytes() == CONTENT
    assert not leftovers(path)


@pytest.mark.parametrize("content", [b"no zip", CONTENT[:-1]])
def test_what_is_no_zip_with_that_file_is_told(path, content):
    with serve(content) as server, pytest.raises(DownloadError, match=r"not a ZIP with weights\.params"):
        fetch([server.url], path, CHECKSUM, "by hand", member="weights.params")
    assert not path.exists()


def _fetch(url, path):
    fetch([url], path, CHECKSUM, "by hand")


def test_two_processes_fetching_one_file_do_not_harm_each_other(path):
    context = multiprocessing.get_context("spawn")
    with serve(CONTENT) as server:
        processes = [context.Process(target=_fetch, args=(server.url, path)) for _ in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0, 0, 0]
        assert len(server.requests) == 1
    assert path.read_bytes() == CONTENT


def test_progress_counts_every_byte_also_after_a_break(path):
    class Bar:
        seen = 0

        def __init__(self, total, initial, **_):
            Bar.seen = initial
            Bar.total = total

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def update(self, n):
            Bar.seen += n

    with serve(CONTENT, "breaks_once") as server:
        with pytest.raises(DownloadError):
            fetch([server.url], path, CHECKSUM, "by hand")
        fetch([server.url], path, CHECKSUM, "by hand", progress=Bar)
    assert Bar.seen == Bar.total == len(CONTENT)


def test_rubbish_of_one_source_does_not_spoil_the_next(path):
    with serve(CONTENT, "rubbish") as bad, serve(CONTENT) as good:
        fetch([bad.url, good.url], path, CHECKSUM, "by hand")
        assert good.requests[0].startswith("bytes=")  # it went on where the rubbish ended,
        assert good.requests[1] is None  # and was asked for all of it when that came out wrong
    assert path.read_bytes() == CONTENT
    assert not leftovers(path)


def test_a_source_without_end_is_given_up(path):
    with serve(b"", "endless") as bad, serve(CONTENT) as good:
        fetch([bad.url, good.url], path, CHECKSUM, "by hand", largest=2 << 20)
    assert path.read_bytes() == CONTENT


def zipped(name: str, content: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        writer.writestr(name, content)
    return archive.getvalue()


def test_a_zip_bomb_is_not_unpacked(path):
    bomb = zipped("weights.params", bytes(50 << 20))
    with (
        serve(bomb) as server,
        pytest.raises(DownloadError, match=r"sent a ZIP whose weights\.params has 52428800 bytes"),
    ):
        fetch([server.url], path, CHECKSUM, "by hand", member="weights.params", largest=1 << 20)
    assert not leftovers(path)


@pytest.mark.parametrize("damage", [slice(None, -30), slice(10, None)])
def test_a_zip_whose_middle_is_missing_is_told(path, damage):
    whole = zipped("weights.params", CONTENT)
    content = whole[:100_000] + whole[200_000:]
    with serve(content[damage]) as server, pytest.raises(DownloadError, match=r"not a ZIP with weights\.params"):
        fetch([server.url], path, CHECKSUM, "by hand", member="weights.params")
    assert not leftovers(path)


def test_what_a_killed_process_left_behind_is_removed(path):
    path.parent.mkdir()
    (path.parent / ".hotdog-0123abcd.zip").write_bytes(b"half")
    with serve(CONTENT) as server:
        fetch([server.url], path, CHECKSUM, "by hand")
    assert not leftovers(path)


def test_a_file_may_come_without_the_zip_that_was_announced(path):
    with serve(CONTENT) as server:
        fetch([server.url], path, CHECKSUM, "by hand", member="weights.params")
    assert path.read_bytes() == CONTENT


def test_a_password_in_a_url_is_not_shown(path):
    url = refusing_url().replace("//", "//user:secret@")
    with pytest.raises(DownloadError) as caught:
        fetch([url], path, CHECKSUM, "by hand")
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("checksum", ["sha1:01234567", "sha256:01234567"])
def test_plain_http_is_taken_only_with_a_whole_checksum(path, checksum):
    with pytest.raises(DownloadError, match="not by plain http"):
        fetch(["http://photos.invalid/hotdog.zip"], path, checksum, by_hand="")
    assert not path.exists()


def test_plain_http_with_a_whole_checksum_is_tried(path):
    with pytest.raises(DownloadError, match="the host can't be found"):
        fetch(["http://photos.invalid/hotdog.zip"], path, "sha1:" + "0" * 40, by_hand="")

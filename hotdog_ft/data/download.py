"""Fetch a file from the first of its sources that gives it: resumed after a break, checked, and renamed when whole."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import re
import urllib.parse
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from hotdog_ft.errors import DownloadError
from hotdog_ft.files import replacing

try:
    import fcntl
except ImportError:  # Windows, where two downloads of one file at once are not guarded
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

Progress = Callable[..., Any]
"""A maker of progress bars with tqdm's arguments: `progress(total=…, desc=…)`."""

CONNECT_TIMEOUT, READ_TIMEOUT = 10, 30
"""Seconds until a source that doesn't answer, or falls silent, is given up."""


LARGEST = 4 << 30
"""Bytes after which a source that goes on sending is given up."""


def fetch(
    urls: Sequence[str],
    path: Path,
    checksum: str,
    by_hand: str,
    progress: Progress | None = None,
    member: str | None = None,
    largest: int = LARGEST,
) -> Path:
    """The file at `path`, downloaded from the first of `urls` that gives it unless it is there already.

    checksum: "sha1:…" or "sha256:…" of the file. member: its name in the ZIP that the URLs give, if they give one.
    by_hand: the hint for when every source fails. largest: the most bytes that are taken, packed or not. What a broken
    download has brought stays in `path`.part, and the next try goes on from there. By plain http comes only what has a
    whole checksum: the beginning of one can be met by a forger on the way. Raises: DownloadError, with each source's
    reason; OSError, when the file can't be written.
    """
    import requests

    if is_whole(path, checksum):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    failures = []
    with _only_process(part):
        if is_whole(path, checksum):
            return path  # another process has fetched it while this one waited
        _remove_leftovers(path)
        for url in urls:
            try:
                _check_way(url, checksum)
                _bring(url, part, path, checksum, progress, member, largest)
            except (requests.RequestException, _WrongFileError, ValueError) as error:  # ValueError: of urllib3 and http
                failures.append(f"{without_password(url)}: {reason(error)}")
                log.warning("%s", failures[-1])
            else:
                return path
    raise DownloadError(f"{path.name}: no source gave it: {'; '.join(failures)}.", hint=by_hand, failures=failures)


class _WrongFileError(Exception):
    """What came is not what was asked for."""


def is_whole(path: Path, checksum: str) -> bool:
    """Whether the file is there and has this checksum ("sha1:…", or only the beginning of it)."""
    import pooch

    algorithm, _, expected = checksum.partition(":")
    return path.is_file() and pooch.file_hash(str(path), alg=algorithm).startswith(expected)


def _bring(
    url: str, part: Path, path: Path, checksum: str, progress: Progress | None, member: str | None, largest: int
) -> None:
    """Download and accept. What was resumed and came out wrong is asked for once more, from its beginning.

    The first part may have come from another source, which packed the file in another way, or sent rubbish.
    """
    resumed = part.exists() and part.stat().st_size > 0
    for tries_left in (1, 0) if resumed else (0,):
        _download(url, part, checksum, progress, largest)
        try:
            _accept(part, path, checksum, member, largest)
        except _WrongFileError:
            part.unlink()
            if not tries_left:
                raise
        else:
            return


def _accept(part: Path, path: Path, checksum: str, member: str | None, largest: int) -> None:
    """Make `path` of what has come. Raises: _WrongFileError; OSError, after which `part` is still there."""
    size = part.stat().st_size
    if is_whole(part, checksum):
        part.replace(path)
        return
    with part.open("rb") as file:
        start = file.read(1024)
    if other := impostor(start):
        raise _WrongFileError(f"sent {other} ({size} bytes) in place of the file")
    if member is None:
        raise _WrongFileError(f"sent another file ({size} bytes, {checksum.split(':')[0]} differs)")
    with replacing(path) as temporary:
        _unpack(part, member, temporary, largest)
        if not is_whole(temporary, checksum):
            raise _WrongFileError(f"sent another {member} ({checksum.split(':')[0]} differs)")
    part.unlink()


def _unpack(part: Path, member: str, target: Path, largest: int) -> None:
    """Write a ZIP's member to `target`. Raises: _WrongFileError; OSError, when that can't be written."""
    try:
        archive = zipfile.ZipFile(part)
        length = archive.getinfo(member).file_size
        blocks = iter(functools.partial(archive.open(member).read, 1 << 20), b"")
        if length > largest:
            raise _WrongFileError(f"sent a ZIP whose {member} has {length} bytes")
        with target.open("wb") as file:
            while block := next(blocks, b""):
                _write(file, block)
    except (_WrongFileError, _DiskError):
        raise
    except Exception as error:  # a damaged archive makes zipfile and its decompressors raise nearly anything
        size = part.stat().st_size
        raise _WrongFileError(f"sent {size} bytes that are not a ZIP with {member}") from error


class _DiskError(OSError):
    """The file can't be written, which is no fault of the source."""


def _write(file: BinaryIO, block: bytes) -> None:
    try:
        file.write(block)
        file.flush()
    except OSError as error:
        raise _DiskError(error.errno, error.strerror, file.name) from error


def _remove_leftovers(path: Path) -> None:
    """Remove what a process that was killed while it unpacked has left: nobody else works on `path` now."""
    for leftover in path.parent.glob(f".{path.stem[:64]}-????????{path.suffix}"):
        leftover.unlink(missing_ok=True)


def impostor(start: bytes) -> str | None:
    """What a server has sent with a straight face, if it is one of the usual things. start: a kilobyte of it."""
    start = start.lstrip().lower()
    if start.startswith(b"version https://git-lfs.github.com/"):
        return "a Git LFS pointer"
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    return None


def _check_way(url: str, checksum: str) -> None:
    """Raise _WrongFileError for a way on which the file could be exchanged: http, and no whole checksum to tell."""
    parts = urllib.parse.urlsplit(url)
    algorithm, _, expected = checksum.partition(":")
    whole = len(expected) == 2 * hashlib.new(algorithm).digest_size
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost") and not whole:
        raise _WrongFileError("not by plain http: only the beginning of its checksum is known; use https")


def _download(url: str, part: Path, checksum: str, progress: Progress | None, largest: int) -> None:
    """Bring `part` to the file's full length, from where it breaks off.

    Raises: requests.RequestException, ValueError, _WrongFileError; OSError, when it can't be written.
    """
    import requests

    have = part.stat().st_size if part.exists() else 0
    # Compression on the way would make lengths and ranges mean something else.
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    with requests.get(url, headers=headers, stream=True, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)) as answer:
        if answer.status_code == 416 and have:  # nothing after what we have: it is whole, or not this file
            with contextlib.suppress(ValueError):
                if int(answer.headers.get("Content-Range", "").rpartition("/")[2]) == have:
                    return
            part.unlink()
            return _download(url, part, checksum, progress, largest)
        answer.raise_for_status()
        _check_way(answer.url, checksum)  # where redirects have led
        if answer.status_code != 206:  # the source sends the whole file, whatever was asked
            have = 0
        total = have + int(answer.headers["Content-Length"]) if "Content-Length" in answer.headers else None
        with part.open("ab" if have else "wb") as file:
            for block in _with_progress(answer.iter_content(1 << 16), total, have, part.stem, progress):
                _write(file, block)
                if file.tell() > largest:
                    part.unlink()
                    raise _WrongFileError(f"sent more than {largest >> 20} MiB")
        if total is not None and part.stat().st_size < total:
            raise requests.ConnectionError(f"the connection broke after {part.stat().st_size} of {total} bytes")
    return None


def _with_progress(
    blocks: Iterator[bytes], total: int | None, have: int, name: str, progress: Progress | None
) -> Iterator[bytes]:
    """The blocks, counted on a progress bar."""
    if progress is None:
        yield from blocks
        return
    with progress(total=total, initial=have, desc=name, unit="B", unit_scale=True, unit_divisor=1024) as bar:
        for block in blocks:
            bar.update(len(block))
            yield block


@contextlib.contextmanager
def _only_process(part: Path) -> Iterator[None]:
    """Wait until no other process downloads to `part`, and keep others waiting."""
    with part.with_name(part.name + ".lock").open("w") as lock:
        if fcntl:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.warning("%s: another process is fetching it; waiting for that.", part.stem)
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    return re.sub(r"//[^/@]*@", "//…@", url)


def reason(error: Exception) -> str:
    """Why a request failed, without the layers of wrapping that requests and urllib3 put around it."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code} {error.response.reason[:60]}".rstrip()
    if isinstance(error, _WrongFileError):
        return str(error)
    if isinstance(error, requests.ConnectTimeout):
        return f"no answer within {CONNECT_TIMEOUT} s"
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return f"silent for {READ_TIMEOUT} s"
    text = str(error)
    if "Name or service not known" in text or "name resolution" in text or "getaddrinfo" in text:
        return "the host can't be found (no network?)"
    if isinstance(error, requests.TooManyRedirects):
        return "redirects without end"
    if "IncompleteRead" in text or "RemoteDisconnected" in text or "BadStatusLine" in text:
        return "the connection broke, or its answer is no HTTP"
    through = "the proxy doesn't answer: " if isinstance(error, requests.exceptions.ProxyError) else ""
    return through + (text.rsplit(": ", 1)[-1].strip("'\")(")[:200] or type(error).__name__)

"""Fetch a file from the first of its sources that gives it: resumed after a break, checked, and renamed when whole."""

from __future__ import annotations

import contextlib
import logging
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

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


def fetch(
    urls: Sequence[str],
    path: Path,
    checksum: str,
    by_hand: str,
    progress: Progress | None = None,
    member: str | None = None,
) -> Path:
    """The file at `path`, downloaded from the first of `urls` that gives it unless it is there already.

    checksum: "sha1:…" or "sha256:…" of the file. member: its name in the ZIP that the URLs give, if they give one.
    by_hand: the hint for when every source fails. What a broken download has brought stays in `path`.part, and the next
    try goes on from there. Raises: DownloadError, with each source's reason.
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
        for url in urls:
            try:
                _download(url, part, progress)
                _accept(part, path, checksum, member)
            except (requests.RequestException, _WrongFileError) as error:
                failures.append(f"{url}: {_reason(error)}")
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


def _accept(part: Path, path: Path, checksum: str, member: str | None) -> None:
    """Make `path` of what has come, or remove that and raise _WrongFileError."""
    size = part.stat().st_size
    try:
        if impostor := _impostor(part):
            raise _WrongFileError(f"sent {impostor} ({size} bytes) in place of the file")
        if member is None:
            if not is_whole(part, checksum):
                raise _WrongFileError(f"sent another file ({size} bytes, {checksum.split(':')[0]} differs)")
            part.replace(path)
            return
        with replacing(path) as temporary:
            with zipfile.ZipFile(part) as archive, archive.open(member) as inside, temporary.open("wb") as file:
                shutil.copyfileobj(inside, file)
            if not is_whole(temporary, checksum):
                raise _WrongFileError(f"sent another {member} ({checksum.split(':')[0]} differs)")
    except (zipfile.BadZipFile, zlib.error, KeyError, RuntimeError) as error:
        raise _WrongFileError(f"sent {size} bytes that are not a ZIP with {member}") from error
    finally:
        part.unlink(missing_ok=True)


def _impostor(path: Path) -> str | None:
    """What a server has sent with a straight face, if it is one of the usual things."""
    with path.open("rb") as file:
        start = file.read(1024).lstrip().lower()
    if start.startswith(b"version https://git-lfs.github.com/"):
        return "a Git LFS pointer"
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    return None


def _download(url: str, part: Path, progress: Progress | None) -> None:
    """Bring `part` to the file's full length, from where it breaks off. Raises: requests.RequestException."""
    import requests

    have = part.stat().st_size if part.exists() else 0
    # Compression on the way would make lengths and ranges mean something else.
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    with requests.get(url, headers=headers, stream=True, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)) as answer:
        if answer.status_code == 416:  # nothing after what we have: it is whole, or not this file
            with contextlib.suppress(ValueError):
                if int(answer.headers.get("Content-Range", "").rpartition("/")[2]) == have:
                    return
            part.unlink()
            return _download(url, part, progress)
        answer.raise_for_status()
        if answer.status_code != 206:  # the source sends the whole file, whatever was asked
            have = 0
        total = have + int(answer.headers["Content-Length"]) if "Content-Length" in answer.headers else None
        with part.open("ab" if have else "wb") as file:
            for block in _with_progress(answer.iter_content(1 << 16), total, have, part.stem, progress):
                file.write(block)
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
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _reason(error: Exception) -> str:
    """Why a request failed, without the layers of wrapping that requests and urllib3 put around it."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code} {error.response.reason}".rstrip()
    if isinstance(error, _WrongFileError):
        return str(error)
    if isinstance(error, requests.ConnectTimeout):
        return f"no answer within {CONNECT_TIMEOUT} s"
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return f"silent for {READ_TIMEOUT} s"
    text = str(error)
    if "Name or service not known" in text or "name resolution" in text or "getaddrinfo" in text:
        return "the host can't be found (no network?)"
    return text.rsplit(": ", 1)[-1].strip("'\")(") or type(error).__name__

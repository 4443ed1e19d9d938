"""Files that are whole or not there, and the cache folder that downloads and converted weights go to."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from hotdog_ft.errors import ConfigError, RunError


def cache_home() -> Path:
    """The cache folder: `HOTDOG_FT_HOME`, else the platform's own place for caches. It need not exist yet."""
    if os.environ.get("HOTDOG_FT_HOME"):
        return Path(os.environ["HOTDOG_FT_HOME"]).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("hotdog-ft", appauthor=False))


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def size(path: Path) -> int:
    """The bytes of a file; 0 for one that isn't there, as behind a broken link: reading it will tell."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def check_file(path: str, option: str, hint: str) -> None:
    """Raise ConfigError, naming the option and saying why, unless `path` is a file."""
    if not Path(path).is_file():
        what = "is a folder" if Path(path).is_dir() else "is no file" if Path(path).exists() else "is not there"
        raise ConfigError(f"{option}{path} {what}.", hint=hint)


@contextlib.contextmanager
def replacing(path: Path, sync: bool = True) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` if the block succeeds, else remove it.

    A reader sees the old file or the new one, never half of either. The parent folder is made when missing. Without
    sync, which waits for the disk, a power failure can leave less than that: for files that are checked when read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: OpenCV and matplotlib choose a format by it.
    temporary = path.with_name(f".{path.stem[:64]}-{secrets.token_hex(4)}{path.suffix}")
    try:
        yield temporary
        if sync:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
        if sync:
            _sync_folder(path.parent)
    except OSError as error:
        if error.filename in (None, str(temporary)):  # a full disk names no file
            error.filename = str(path)  # what the user named
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, too, where the file system can do that."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_temporary(path: Path) -> bool:
    """Whether `replacing` has made the file, in a process that was killed before it could rename or remove it."""
    return re.fullmatch(r"\..*-[0-9a-f]{8}(\.\w+)?", path.name, re.DOTALL) is not None and path.is_file()


def remove_temporaries(folder: Path) -> None:
    """Remove such files from a folder and those below. Only for who holds the folder."""
    for path in folder.rglob(".*"):
        if is_temporary(path):
            path.unlink()


@contextlib.contextmanager
def held(folder: Path, hint: str) -> Iterator[None]:
    """Hold a folder for the block, against other processes that would; the system lets go of it, however we end.

    Raises: RunError, when another process holds it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise RunError(f"{folder}: another process is at work in it.", hint=hint) from None
    except OSError:  # some file systems know no locks
        pass
    try:
        yield
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Replace the file at `path` by `text` in UTF-8, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path`; rename it to `path` if the block succeeds, else remove it.

    If another process has made `path` in the meantime, its folder stays and ours is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:64]}-{secrets.token_hex(4)}")
    temporary.mkdir()
    try:
        yield temporary
        try:
            temporary.rename(path)
        except OSError:
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def printable(text: str) -> str:
    """Text with what a terminal can't show escaped: a file's name may hold line breaks and bytes that are no UTF-8."""
    text = os.fsencode(text).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

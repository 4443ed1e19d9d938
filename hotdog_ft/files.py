"""Files that are whole or not there, and the cache folder that downloads and converted weights go to."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from hotdog_ft.errors import ConfigError


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
    except OSError as error:
        if error.filename == str(temporary):
            error.filename = str(path)  # what the user named
        raise
    finally:
        temporary.unlink(missing_ok=True)


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

"""Files that are whole or not there, and the cache folder that downloads and converted weights go to."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


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


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` if the block succeeds, else remove it.

    A reader sees the old file or the new one, never half of either. The parent folder is made when missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: OpenCV and matplotlib choose a format by it.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:64]}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
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
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name[:64]}-"))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        try:
            temporary.rename(path)
        except OSError:
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _umask() -> int:
    """The process's umask: temporary files are made private, what they become should not be."""
    mask = os.umask(0)
    os.umask(mask)
    return mask

"""Names for files and folders that are made of photos' and classes' names: valid ones, and none that is taken."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hotdog_ft.data.address import is_url
from hotdog_ft.data.look import FORMATS, format_of

LONGEST_NAME = 200
"""Bytes of a name that are kept: file systems take 255, and numbers and temporary names need some."""


class NewNames:
    """Names that nobody else has, with a number where one is taken."""

    def __init__(self) -> None:
        self._numbers: dict[Path, int] = {}

    @contextlib.contextmanager
    def held(self, folder: Path, name: str) -> Iterator[Path]:
        """A path in the folder that nobody else has, held by an empty file, which goes if the block fails."""
        stem, suffix = os.path.splitext(name)
        plain = folder / (_cut(stem, LONGEST_NAME - len(os.fsencode(suffix))) + suffix)
        for number in itertools.count(self._numbers.get(plain, 1)):
            place = plain if number == 1 else plain.with_name(f"{plain.stem}-{number}{suffix}")
            with contextlib.suppress(FileExistsError):
                os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
                break
        self._numbers[plain] = number + 1
        held = os.stat(place)
        try:
            yield place
        except BaseException:
            with contextlib.suppress(OSError):
                if os.path.samestat(os.lstat(place), held):  # and not what Ctrl-C came too late for
                    place.unlink()
            raise


def folder_names(labels: Iterable[str]) -> dict[str, str]:
    """A valid folder's name for each label, no two the same, nor the same but for upper case."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for label in labels:
        plain = name = _cut(_valid(label), LONGEST_NAME)
        numbers = itertools.count(2)
        while name.casefold() in taken:
            name = f"{plain}-{next(numbers)}"
        taken.add(name.casefold())
        names[label] = name
    return names


def _valid(name: str) -> str:
    """The name without what some file system or shell can't bear; it isn't hidden, nor seems to be an option."""
    name = unicodedata.normalize("NFC", name)
    name = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in name).strip(" ")
    return re.sub(r"^[.-]|\.$", "_", name) or "_"


def _cut(text: str, size: int) -> str:
    """As much of the text as fits into so many bytes of UTF-8."""
    return os.fsencode(text)[: max(size, 1)].decode("utf-8", "ignore") if len(os.fsencode(text)) > size else text


def file_name(name: str, data: bytes) -> str:
    """A name for what came from an address or from standard input (`-`), with its format's suffix."""
    suffix = os.path.splitext(_last_part(name))[1] if is_url(name) else ""
    suffixes = FORMATS.get(format_of(data) or "", (suffix,))
    return stem_of(name) + (suffix if suffix.lower() in suffixes else suffixes[0])


def stem_of(name: str) -> str:
    """What a photo is called, without its format's suffix; `stdin` for what came from there (`-`)."""
    if is_url(name):
        return os.path.splitext(_last_part(name))[0].strip("_. ") or "photo"
    return "stdin" if name == "-" else os.path.splitext(os.path.basename(name))[0]


def _last_part(address: str) -> str:
    return _valid(os.path.basename(unquote(urlsplit(address).path)))

"""Check the weights on this machine against the checksums in the table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hotdog_ft.data.download import is_whole
from hotdog_ft.files import sha256
from hotdog_ft.models.imported import imported_path, imported_record
from hotdog_ft.models.sources import folder, places
from hotdog_ft.models.table import networks


@dataclass(frozen=True)
class Finding:
    """A file, and what is to be thought of it."""

    path: Path
    verdict: Literal["whole", "damaged", "unfinished", "unknown"]
    detail: str = ""


def check_all() -> Iterator[Finding]:
    """Every file of weights on this machine: the table's, those imported, and whatever else is in the cache."""
    seen = set()
    for network in networks().values():
        imported = imported_path(network.name)
        if imported.is_file():
            seen.add(imported)
            record = imported_record(network.name)
            whole = record.get("sha256") == sha256(imported)
            detail = f"imported from {record['origin']}" if record else "the note beside it, its .json, can't be read"
            yield Finding(imported, "whole" if whole else "damaged", detail)
        for source in network.weights:
            for path in places(source):
                if path.is_file() and path not in seen:
                    seen.add(path)
                    detail = f"{network.name}, {source.where}"
                    try:
                        yield Finding(path, "whole" if is_whole(path, source.checksum) else "damaged", detail)
                    except OSError as error:
                        yield Finding(path, "damaged", f"{detail}: {error.strerror}")
    for path in [*sorted(folder().glob("*")), *sorted(folder().glob("imported/*.params"))]:
        if path.suffix == ".part":
            yield Finding(path, "unfinished", "the next fetch goes on with it")
        elif path.is_file() and path not in seen and path.suffix != ".lock":
            yield Finding(path, "unknown", "not one of the table's files; it is not used")

"""A configuration to begin with: every setting with what it means, and a schema by which editors check it."""

from __future__ import annotations

import dataclasses
import json
import textwrap
import typing
from collections.abc import Collection
from pathlib import Path
from typing import Any

from hotdog_ft.config import AUTO, Help, TrainConfig, field_annotations
from hotdog_ft.errors import ConfigError
from hotdog_ft.files import write_text

WIDTH = 100

HEAD = """\
# yaml-language-server: $schema={schema}
#
# Settings for `hotdog-ft train --config {file}`. Each is an option, too, as in --batch-size 32, and options win.
# Those behind a # are as they are without this file.
"""


def write_config(path: Path, config: TrainConfig, said: Collection[str]) -> Path:
    """Write a commented configuration, and beside it its schema, whose path is returned.

    said: names of the settings that the file is to set; the others stand there as comments. Raises: ConfigError, when
    one of the files is there already; OSError.
    """
    schema_path = path.with_name(f"{path.stem}.schema.json")
    for each in (path, schema_path):
        if each.exists():
            raise ConfigError(f"{each}: is there already.", hint="Name another file, or remove that one.")
    write_text(schema_path, json.dumps(schema(), indent=2) + "\n")
    write_text(path, as_yaml(config, said, path.name, schema_path.name))
    return schema_path


def as_yaml(config: TrainConfig, said: Collection[str], file: str, schema_file: str) -> str:
    """Every setting but where runs go, with its description above it."""
    import yaml

    parts = [HEAD.format(file=file, schema=schema_file)]
    for name, value in dataclasses.asdict(config).items():
        if name == "out":
            continue
        line = yaml.safe_dump({name: value}, allow_unicode=True).rstrip("\n")
        parts.append(f"{_comment(name)}\n{'' if name in said else '# '}{line}\n")
    return "\n".join(parts)


def schema() -> dict[str, Any]:
    """A configuration file's JSON Schema."""
    from pydantic import TypeAdapter

    described = TypeAdapter(TrainConfig).json_schema()
    properties: dict[str, Any] = described["properties"]
    for name, hint in field_annotations().items():
        properties[name]["description"] = _help(hint).text
    size = {key: properties["batch_size"].pop(key) for key in ("type", "minimum", "maximum")}
    properties["batch_size"]["anyOf"] = [size, {"const": AUTO}]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "hotdog-ft train",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _comment(name: str) -> str:
    """A setting's description, and the words that it can be."""
    hint = field_annotations()[name]
    plain, described = typing.get_args(hint)[0], _help(hint)
    text = described.text.removesuffix("]").replace("  [default: ", " Left open: ")
    lines = textwrap.wrap(text, WIDTH - 2, break_on_hyphens=False)
    if typing.get_origin(plain) is typing.Literal:
        lines.append(" | ".join(typing.get_args(plain)))
    elif described.metavar and "|" in described.metavar:
        lines.append(described.metavar.replace("|", " | "))
    return "\n".join(f"# {line}" for line in lines)


def _help(hint: Any) -> Help:
    return next(item for item in typing.get_args(hint) if isinstance(item, Help))

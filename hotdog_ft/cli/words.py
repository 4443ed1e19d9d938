"""What the shell completes an option's value by: the words that its metavar lists, networks, files."""

from __future__ import annotations

import re
from pathlib import Path

import click
from click.shell_completion import CompletionItem

_FILES = {"FILE": "file", "ZIP": "file", "PATH": "file", "DIR": "dir", "RUN": "dir"}


class Words(click.ParamType):
    """Text as it is given. `hotdog|demo|DIR` stands for two words and whatever folder there is."""

    name = "text"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Possible ends of an incomplete value. Takes no longer than a person notices: nothing heavy is imported."""
        words = re.findall(r"[^\s|\[\].]+", param.metavar or "")
        found = [word for word in words if word.islower()]
        if "NAME" in words:
            found += network_names()
        items = [CompletionItem(word) for word in found if word.startswith(incomplete)]
        kinds = {_FILES[word] for word in words if word in _FILES}
        if kinds:
            items.append(CompletionItem(incomplete, type="file" if "file" in kinds else "dir"))
        return items


WORDS = Words()


def network_names() -> list[str]:
    """The table's names (models/networks.yaml), without the time that reading it as YAML takes."""
    path = Path(__file__).parents[1] / "models" / "networks.yaml"
    networks = path.read_text("utf-8").split("\nnetworks:\n", 1)[1]
    return re.findall(r"^  ([^\s:]+):", networks, re.MULTILINE)

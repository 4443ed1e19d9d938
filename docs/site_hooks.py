"""What the site takes from outside of docs/: its first page is the README, and CONTRIBUTING.md has one, too."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PAGES = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add those pages, whose links go to other pages of the site; of links to code, which has none, the text stays."""
    root = Path(config.config_file_path).parent
    for page, source in PAGES.items():
        files.append(File.generated(config, page, content=_linked((root / source).read_text("utf-8"))))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """The same for links to code in all other pages."""
    return re.sub(r"\[([^\]]+)\]\(\.\./[^)]*\)", r"\1", markdown)


def _linked(text: str) -> str:
    text = re.sub(r"\]\(docs/", "](", text)
    pages = "|".join(map(re.escape, PAGES.values()))
    text = re.sub(rf"\]\(({pages})\)", lambda found: f"]({next(p for p, s in PAGES.items() if s == found[1])})", text)
    return re.sub(r"\[([^\]]+)\]\((?:configs|scripts|hotdog_ft|CHANGELOG|LICENSE)[^)]*\)", r"\1", text)

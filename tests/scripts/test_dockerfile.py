"""The container's recipe: linted, not root's, and with all that it copies."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import REPOSITORY

DOCKERFILE = REPOSITORY / "Dockerfile"
PROGRAMS = Path(sys.executable).parent


def lines(instruction: str) -> list[str]:
    text = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", "")
    return re.findall(rf"^{instruction} (.*)$", text, re.MULTILINE)


def test_the_linter_finds_nothing():
    done = subprocess.run([PROGRAMS / "hadolint", DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_it_serves_as_somebody_who_is_not_root():
    assert lines("USER") == ["1000"]
    text = DOCKERFILE.read_text(encoding="utf-8")
    assert text.index("\nRUN pip") < text.index("\nUSER") < text.index("\nENTRYPOINT")


def test_what_it_copies_is_there_and_reaches_the_builder():
    sources = [word for line in lines("COPY") for word in line.split()[:-1]]
    let_through = re.findall(r"^!(.*)$", (REPOSITORY / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(sources) == sorted(let_through)
    assert all((REPOSITORY / source).exists() for source in sources)


def test_it_copies_what_the_package_is_built_from_and_asks_for_extras_that_exist():
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    (install,) = [line for line in lines("RUN") if "pip install" in line]
    for extra in re.search(r"\.\[(.*)\]", install)[1].split(","):
        assert f"\n{extra} = [" in project

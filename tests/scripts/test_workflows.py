"""The workflows are valid, safe, and call scripts that are there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
PROGRAMS = Path(sys.executable).parent


def test_there_are_some():
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "release.yml"]


def test_they_follow_githubs_schema():
    command = [PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS]
    subprocess.run(command, check=True, capture_output=True)


def test_the_issue_forms_follow_githubs_schema():
    forms = [REPOSITORY / ".github" / "ISSUE_TEMPLATE" / name for name in ("bug.yml", "idea.yml")]
    command = [PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.github-issue-forms", *forms]
    subprocess.run(command, check=True, capture_output=True)


def test_nothing_in_them_is_unsafe():
    done = subprocess.run(
        [PROGRAMS / "zizmor", "--offline", "--no-progress", REPOSITORY / ".github"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(not shutil.which("actionlint"), reason="actionlint isn't installed")
def test_actionlint_finds_nothing():
    subprocess.run(["actionlint", *WORKFLOWS], check=True)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_the_scripts_that_they_run_are_there(path):
    commands = re.findall(r"^ *- run: (\S+)", path.read_text(), re.MULTILINE)
    assert commands
    for command in commands:
        assert os.access(REPOSITORY / command, os.X_OK)

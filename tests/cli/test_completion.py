"""What a shell is told when somebody presses the tabulator key."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from hotdog_ft.cli.words import network_names
from hotdog_ft.models.table import networks
from tests.conftest import REPOSITORY


@pytest.fixture
def completions():
    """A function that asks as Click's script for bash does. Returns the lines: `kind,value`."""

    def ask(line: str) -> list[str]:
        words = line.split(" ")
        variables = {"_HOTDOG_FT_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
        environment = {**os.environ, **variables, "PYTHONPATH": str(REPOSITORY)}
        process = subprocess.run(
            [sys.executable, "-m", "hotdog_ft"], env=environment, capture_output=True, text=True, check=True
        )
        return process.stdout.splitlines()

    return ask


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("hotdog-ft ex", ["plain,export"]),
        ("hotdog-ft train --epo", ["plain,--epochs"]),
        ("hotdog-ft train --schedule co", ["plain,constant", "plain,cosine"]),
        ("hotdog-ft train --model efficientnet_lite", [f"plain,efficientnet_lite{i}" for i in range(3)]),
        ("hotdog-ft train --data d", ["plain,demo", "file,d"]),
        ("hotdog-ft train --config conf", ["file,conf"]),
        ("hotdog-ft evaluate --run ru", ["dir,ru"]),
        ("hotdog-ft runs cl", ["plain,clean"]),
        ("hotdog-ft completion f", ["plain,fish"]),
    ],
)
def test_what_can_follow_is_offered(completions, line, expected):
    assert completions(line) == expected


def test_every_network_is_offered():
    assert network_names() == list(networks())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_are_those_of_the_shells(run_cli, shell, tmp_path):
    status, out, err = run_cli("completion", shell)
    assert (status, err) == (0, "")
    assert "_HOTDOG_FT_COMPLETE" in out
    script = tmp_path / "script"
    script.write_text(out)
    if found := shutil.which(shell):
        subprocess.run([found, "-n", str(script)], check=True)


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_bash_completes(run_cli, tmp_path):
    program = tmp_path / "bin" / "hotdog-ft"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{REPOSITORY}" exec "{sys.executable}" -m hotdog_ft "$@"\n')
    program.chmod(0o755)
    asked = """
        COMP_WORDS=(hotdog-ft train --method l) COMP_CWORD=3
        _hotdog_ft_completion hotdog-ft
        echo "${COMPREPLY[@]}"
    """
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    script = run_cli("completion", "bash")[1] + asked
    done = subprocess.run(["bash", "--norc"], input=script, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "lp-ft\n"


def test_another_shell_is_refused(run_cli):
    status, _, err = run_cli("completion", "cmd")
    assert status == 2
    assert "'cmd' is not one of 'bash', 'zsh', 'fish'" in err

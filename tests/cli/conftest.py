"""What the command line's tests share: a folder to work in, and options that make a run quick."""

from __future__ import annotations

from pathlib import Path

import pytest

QUICK = "--model mobilenet0.25 --weights none --image-size 32 --epochs 1 --batch-size 4".split()


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def quick(photos) -> list[str]:
    """Options of `train` and `scratch` for a run of a moment."""
    return ["--data", str(photos), *QUICK]


@pytest.fixture
def trained(run_cli, quick):
    """A function that trains with more options. Returns the run's folder."""

    def train(*options, command: str = "train") -> Path:
        status, _, err = run_cli(command, *quick, *options)
        assert status == 0, err
        return Path(err.splitlines()[-1].removeprefix("The run is in ").removesuffix("."))

    return train

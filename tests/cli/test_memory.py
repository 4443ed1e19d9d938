"""Memory that runs out: the way out is named, and what was trained is kept.

Only this can be met: an allocation that fails, as under `ulimit -v` or on a GPU. Where Linux has promised more than it
has, it ends a process by kill -9, which tests/cli/test_resume.py has.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hotdog_ft.errors import OutOfMemoryError
from tests.conftest import make_classes

# Threads and libraries take addresses when they are first used, and crash the process where they get none. So a network
# is computed first, and the limit is set on what comes after. One of a step's large arrays then fails.
LIMITED = """
import resource, sys
from hotdog_ft.backend import mx, nd
from hotdog_ft.cli import main

free = int(sys.argv[1]) << 20
net = mx.gluon.model_zoo.vision.get_model("mobilenet0.25", classes=2)
net.initialize()
net(nd.zeros((2, 3, 64, 64))).asnumpy()
pages = int(open("/proc/self/statm").read().split()[0])
taken = pages * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + free, taken + free))
main(sys.argv[2:])
"""
LARGE = "--model mobilenet0.25 --weights none --image-size 512 --batch-size 64 --epochs 2 --workers 1".split()
"""A batch of 192 MiB as float32, and layers of 128 MiB on it."""


def with_memory(mebibytes: int, *arguments) -> subprocess.CompletedProcess:
    """Run the command line with so much more than MXNet itself takes."""
    command = [sys.executable, "-c", LIMITED, str(mebibytes), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture
def many(tmp_path) -> Path:
    """Photos for a whole batch."""
    make_classes(tmp_path / "many" / "train", 32)
    make_classes(tmp_path / "many" / "test", 1, first_seed=500)
    return tmp_path / "many"


def test_a_batch_that_is_too_large_is_told_with_one_to_try(many):
    process = with_memory(1000, "train", "--data", many, *LARGE, "--out", "run")
    assert process.returncode == 1, process.stderr
    assert process.stderr.splitlines()[-2:] == [
        "Error: Out of memory with batches of 64 photos. No epoch was finished, so there is no model.",
        "Hint: Try --batch-size 32.",
    ]
    assert not Path("run").exists()


@pytest.mark.slow
def test_what_was_trained_is_kept_and_goes_on_where_there_is_memory(many, run_cli):
    status, _, err = run_cli("train", "--data", many, *LARGE, "--epochs", 1, "--out", "run")
    assert status == 0, err
    before = Path("run/model/net.params").read_bytes()
    process = with_memory(1000, "train", "--resume", "run", "--epochs", 2)
    assert process.returncode == 1, process.stderr
    assert process.stderr.splitlines()[-2:] == [
        "Error: Out of memory with batches of 64 photos. What was trained until then is kept in run.",
        "Hint: Try --batch-size 32, in a new run; or free memory, and go on with this one:"
        " hotdog-ft train --resume run",
    ]
    assert Path("run/model/net.params").read_bytes() == before
    status, out, err = run_cli("train", "--resume", "run")
    assert status == 0, err
    assert out.startswith("epoch 2: ")


@pytest.mark.parametrize(
    "command", [["evaluate", "--data", "many/train"], ["predict", "many/train/red", "many/train/green"]]
)
def test_judging_and_predicting_tell_it_too(many, trained, command):
    run = trained("--image-size", 512)
    process = with_memory(500, *command, "--run", run, "--batch-size", 64, "--workers", 1)
    assert process.returncode == 1, process.stderr
    assert process.stderr.splitlines()[-2:] == [
        "Error: Out of memory with batches of 64 photos.",
        "Hint: Try --batch-size 32.",
    ]


def test_where_one_photo_is_too_much_there_is_no_smaller_batch():
    from hotdog_ft.backend import memory_for

    with pytest.raises(OutOfMemoryError, match="one photo at a time") as caught, memory_for(1):
        raise MemoryError
    assert caught.value.hint == "Try a smaller --image-size or network."


def test_other_failures_stay_what_they_are():
    from hotdog_ft.backend import memory_for, mx, nd

    with pytest.raises(mx.MXNetError), memory_for(32):
        nd.ones((2, 3)).reshape((7, 7)).asnumpy()

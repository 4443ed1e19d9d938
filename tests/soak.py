"""Kill a training (-9) at random moments, resume it each time, and compare its end with that of an undisturbed one.

    .venv/bin/python -m tests.soak --kills 200 --out soak -- --data photos --model efficientnet_lite0 --epochs 50 …

What follows `--` are options of `hotdog-ft train`. Both runs are left in the folder --out.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import time
from pathlib import Path


class SoakError(Exception):
    """A run did not survive what it should have, or came to another end."""


def soak(folder: Path, options: list[str], kills: int, seed: int = 0) -> int:
    """Returns how often a running process was killed: `kills`, unless the training was done before.

    Raises: SoakError.
    """
    whole, run = folder / "whole", folder / "run"
    _end(_start("train", *options, "--out", whole))
    chance = random.Random(seed)
    done = 0
    while done < kills:
        process = _start(*_to_begin_or_go_on(run, options))
        _wait_a_while(process, run, chance)
        process.kill()
        _, err = process.communicate()
        if process.returncode == 0:
            break
        if process.returncode != -signal.SIGKILL:
            raise SoakError(f"It ended by itself after {done} kills: {err}")
        done += 1
        print(f"\r{done} of {kills}", end="", file=sys.stderr, flush=True)
    _end(_start(*_to_begin_or_go_on(run, options)))
    compare(whole, run)
    return done


def compare(whole: Path, run: Path) -> None:
    """Raises SoakError unless both came to the same parameters, and nothing half-written is left."""
    if (whole / "model" / "net.params").read_bytes() != (run / "model" / "net.params").read_bytes():
        raise SoakError("The parameters differ.")
    if left := [str(path) for path in run.rglob("*") if path.name.startswith(".")]:
        raise SoakError(f"Temporary files are left: {left}")


def _to_begin_or_go_on(run: Path, options: list[str]) -> list[object]:
    if (run / "config.yaml").exists():
        return ["train", "--resume", run]
    return ["train", *options, "--out", run]


def _wait_a_while(process: subprocess.Popen, run: Path, chance: random.Random) -> None:
    """A moment while it starts, or one after it has saved something, so that the training comes to its end."""
    if chance.random() < 0.2:
        time.sleep(6 * chance.random())
        return
    before = sorted(run.glob("checkpoint/*.npz"))
    while sorted(run.glob("checkpoint/*.npz")) == before and process.poll() is None:
        time.sleep(0.01)
    time.sleep(2 * chance.random() ** 2)


def _start(*arguments: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "hotdog_ft", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _end(process: subprocess.Popen) -> None:
    _, err = process.communicate()
    if process.returncode:
        raise SoakError(f"It ended with status {process.returncode}: {err}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("options", nargs="*", help="of hotdog-ft train, after --")
    arguments = parser.parse_args()
    done = soak(arguments.out, arguments.options, arguments.kills)
    print(f"\nKilled {done} times; the end is the same, bit for bit.")


if __name__ == "__main__":
    main()

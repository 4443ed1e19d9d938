"""Measure training against what people would run instead, side by side: `scripts/bench --help`.

Machines are shared and noisy, so the contenders take turns (A B A B …), each turn in a process of its own, and what
counts is the ratio of medians.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from hotdog_ft.backend import cores, installed_build
from hotdog_ft.data.sources import open_source

CONTENDERS = {"the book's code": "benchmarks.book", "hotdog-ft": "benchmarks.tool"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="demo", help="hotdog, demo, a folder or a ZIP (default: demo)")
    parser.add_argument("--model", default="resnet18_v2", help="a network of Gluon's zoo (default: resnet18_v2)")
    parser.add_argument("--batch-size", type=int, default=128, help="default: 128, the book's")
    parser.add_argument("--batches", type=int, default=2, help="timed in each turn (default: 2)")
    parser.add_argument("--turns", type=int, default=3, help="of each contender (default: 3)")
    parser.add_argument("--out", type=Path, default=Path("bench"), help="folder for bench.json and bench.md")
    options = parser.parse_args()

    folder = open_source(options.data).root
    measured = {name: [] for name in CONTENDERS}
    for turn in range(options.turns):
        for name, module in CONTENDERS.items():
            result = measure(module, folder, options)
            measured[name].append(result)
            print(f"turn {turn + 1}: {name}: {result['images_per_sec']:.2f} images/s", file=sys.stderr)
    results = {"machine": machine(), "options": {k: str(v) for k, v in vars(options).items()}, "measured": measured}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "bench.json").write_text(json.dumps(results, indent=2) + "\n")
    (options.out / "bench.md").write_text(table(results))
    print(table(results), end="")


def measure(module: str, folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """One turn of a contender, in a process of its own. The book's code gets MXNet's own choice of threads."""
    command = [sys.executable, "-m", module, "--data", str(folder), "--model", options.model]
    command += ["--batch-size", str(options.batch_size), "--batches", str(options.batches)]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    process = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(process.stdout.splitlines()[-1])


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((line.split(": ", 1)[1] for line in cpuinfo if line.startswith("model name")), platform.processor())
    flags = next((line for line in cpuinfo if line.startswith("flags")), "")
    return {
        "processor": name,
        "cores": str(cores()),
        "instructions": "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "neither AVX2 nor AVX-512",
        "python": platform.python_version(),
        installed_build() or "mxnet": version(installed_build() or "mxnet"),
        "numpy": version("numpy"),
        "date": time.strftime("%Y-%m-%d"),
    }


def table(results: dict) -> str:
    """The medians, spreads and ratios as Markdown."""
    medians = {
        name: statistics.median(turn["images_per_sec"] for turn in turns) for name, turns in results["measured"].items()
    }
    first = next(iter(medians.values()))
    lines = [
        ", ".join(f"{name} {value}" for name, value in results["machine"].items()) + ".",
        "",
        "| contender | images/s (median) | lowest to highest | ratio | peak memory |",
        "|---|---|---|---|---|",
    ]
    for name, turns in results["measured"].items():
        speeds = [turn["images_per_sec"] for turn in turns]
        peak = max(turn["peak_bytes"] for turn in turns) / 2**30
        spread = f"{min(speeds):.2f} to {max(speeds):.2f}"
        lines.append(f"| {name} | {medians[name]:.2f} | {spread} | {medians[name] / first:.2f} | {peak:.2f} GiB |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

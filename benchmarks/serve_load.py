"""`hotdog-ft serve` under many clients, each of which sends a photo as soon as it has the last one's answer.

    PYTHONPATH=. .venv/bin/python -m benchmarks.serve_load --run RUN --data PHOTOS

Every answer is compared with that of `predict`, whose speed is measured before and after, with the server gone. The
clients take their share of the cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from hotdog_ft.data.folder import read_folder

TOLERANCE = 1e-4
"""In probability: how photos are put together into batches moves the last digits."""
MEBIBYTE = 1 << 20


@dataclass
class Load:
    """What the clients met."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    """Seconds, of answers that were right."""
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: int = 0
    lost: int = 0
    """Requests that had no answer."""

    def __str__(self) -> str:
        milliseconds = np.percentile(self.latencies, (50, 95, 99)) * 1000
        return (
            f"{len(self.latencies) / self.seconds:.1f} images/s; p50 {milliseconds[0]:.0f}, p95 {milliseconds[1]:.0f}, "
            f"p99 {milliseconds[2]:.0f} ms; {self.wrong} wrong, {self.lost} lost; statuses {dict(self.statuses)}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="runs/latest", help="a run's folder")
    parser.add_argument("--data", required=True, help="a folder with train/ and test/")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--photos", type=int, default=400, help="sent again and again, at most so many")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    photos = [str(path) for path in read_folder(Path(options.data)).test.paths]
    photos = random.Random(0).sample(photos, min(options.photos, len(photos)))
    expected = answers_of_predict(options.run, photos)
    speeds = [speed_of_predict(options)]
    for _ in range(options.rounds):
        with server(options.run) as address:
            asyncio.run(load_with(address, photos, expected, options.clients, options.seconds / 6))  # warm up
            before = memory_of(address)
            load = asyncio.run(load_with(address, photos, expected, options.clients, options.seconds))
            after = memory_of(address)
        speeds.append(speed_of_predict(options))
        predicted = (speeds[-2] + speeds[-1]) / 2
        print(f"serve: {load}")
        print(f"predict: {speeds[-2]:.1f} before, {speeds[-1]:.1f} images/s after")
        print(
            f"ratio {len(load.latencies) / load.seconds / predicted:.2f}; memory {before:.0f} MiB, then {after:.0f} MiB"
        )


def answers_of_predict(run: str, photos: Sequence[str]) -> list[dict[str, float]]:
    """Each photo's probabilities."""
    command = [sys.executable, "-m", "hotdog_ft", "predict", "--run", run, "--json", *photos]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [json.loads(line)["probabilities"] for line in lines]


def speed_of_predict(options: argparse.Namespace) -> float:
    """Images a second, of the same model and photos."""
    arguments = ["--run", options.run, "--data", options.data, "--batch-size", "32"]
    seconds = ["--seconds", str(options.seconds / 2)]
    command = [sys.executable, "-m", "benchmarks.predict_folder", *arguments, *seconds]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["images_per_sec"]


@contextmanager
def server(run: str, *options: str):
    """A server as a process of its own, which must end well. Yields its address."""
    command = [sys.executable, "-m", "hotdog_ft", "serve", run, "--port", "0", "--examples", "none", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield next(word for word in process.stdout.readline().split() if word.startswith("http"))
        finally:
            process.terminate()
    if process.returncode:
        sys.exit(f"the server ended with {process.returncode}")


def memory_of(address: str) -> float:
    """What the server has resident, in MiB."""
    with closing(HTTPConnection(urlsplit(address).netloc)) as connection:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    (line,) = (line for line in lines if line.startswith("process_resident_memory_bytes"))
    return float(line.split()[1]) / MEBIBYTE


async def load_with(
    address: str, photos: Sequence[str], expected: Sequence[dict[str, float]], clients: int, seconds: float
) -> Load:
    """Have so many clients ask for so long. expected: each photo's probabilities."""
    load = Load()
    bodies = [Path(photo).read_bytes() for photo in photos]
    began = time.perf_counter()
    ends = began + seconds
    await asyncio.gather(*(_client(address, bodies, expected, load, ends, seed) for seed in range(clients)))
    load.seconds = time.perf_counter() - began
    return load


async def _client(
    address: str, bodies: Sequence[bytes], expected: Sequence[dict[str, float]], load: Load, ends: float, seed: int
) -> None:
    place = urlsplit(address)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    order = random.Random(seed)
    while time.perf_counter() < ends:
        i = order.randrange(len(bodies))
        began = time.perf_counter()
        head = f"POST /predict HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: {len(bodies[i])}\r\n\r\n"
        writer.write(head.encode() + bodies[i])
        try:
            status, body = await _answer(reader)
        except (OSError, asyncio.IncompleteReadError):
            load.lost += 1
            return
        load.statuses[status] += 1
        if status == 200 and _is_right(json.loads(body), expected[i]):
            load.latencies.append(time.perf_counter() - began)
        elif status == 200:
            load.wrong += 1
    writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The status and body of a response."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = int(head.split("content-length:")[1].split("\r\n")[0])
    return int(head.split()[1]), await reader.readexactly(length)


def _is_right(answer: dict, expected: dict[str, float]) -> bool:
    (prediction,) = answer["predictions"]
    found = prediction["probabilities"]
    return found.keys() == expected.keys() and all(abs(found[k] - p) <= TOLERANCE for k, p in expected.items())


if __name__ == "__main__":
    main()

"""What training in N processes should cost, from what one costs and what the network between them carries:

PYTHONPATH=. .venv/bin/python -m benchmarks.cost_model --parameters 11.2e6 --images-per-sec 25 --batch-size 128

docs/scaling.md has the assumptions.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

WORKERS = (1, 2, 4, 8, 16, 32, 64)
BYTES_OF_A_PARAMETER = 4
BYTES_OF_A_GIGABIT = 1e9 / 8


@dataclass(frozen=True)
class Costs:
    """What a training step consists of. Times in seconds."""

    a_step: float
    """Of one process, whatever the number of photos: updating the parameters."""
    a_photo: float
    """Of one process, to compute and differentiate."""
    gradients: float
    """Bytes, of all parameters together."""
    bandwidth: float
    """Bytes a second that each process's machine can send, and receive at the same time."""

    def compute(self, photos: float) -> float:
        """A worker's share of a step."""
        return self.a_step + self.a_photo * photos

    def by_servers(self, workers: int, servers: int) -> float:
        """An exchange by parameter servers, each on a machine of its own: all gradients come, then all parameters go.

        Either a worker's connection is what limits it, or a server's.
        """
        return 2 * self.gradients / self.bandwidth * max(1, workers / servers)

    def by_ring(self, workers: int) -> float:
        """An exchange by ring all-reduce (Patarasuk and Yuan 2009), as Horovod does it."""
        return 2 * (workers - 1) / workers * self.gradients / self.bandwidth

    def step(self, photos: int, workers: int, exchange: float) -> float:
        """A step of all workers together on a batch of so many photos: the largest share, then the exchange."""
        return self.compute(math.ceil(photos / workers)) + (exchange if workers > 1 else 0)


def main() -> None:
    options = parse()
    costs = Costs(
        options.step_seconds,
        1 / options.images_per_sec,
        options.parameters * BYTES_OF_A_PARAMETER,
        options.gigabits * BYTES_OF_A_GIGABIT,
    )
    alone = costs.step(options.batch_size, 1, 0)
    print("| workers | one server | a server for each worker | ring | each with a whole batch, ring |")
    print("|---|---|---|---|---|")
    for n in WORKERS:
        ring = costs.by_ring(n)
        exchanges = (costs.by_servers(n, 1), costs.by_servers(n, n), ring)
        shared = [alone / costs.step(options.batch_size, n, exchange) for exchange in exchanges]
        whole = n * alone / costs.step(n * options.batch_size, n, ring)
        print(f"| {n} | " + " | ".join(f"{times:.3g}" for times in (*shared, whole)) + " |")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost_model", description=__doc__.splitlines()[0])
    parser.add_argument("--parameters", type=float, required=True, help="of the network")
    parser.add_argument("--images-per-sec", type=float, required=True, help="that one process trains with")
    parser.add_argument("--step-seconds", type=float, default=0.0, help="of a step, beside its photos (default: 0)")
    parser.add_argument("--batch-size", type=int, default=128, help="of all workers together (default: 128)")
    parser.add_argument("--gigabits", type=float, default=10.0, help="a second, of each machine (default: 10)")
    return parser.parse_args()


if __name__ == "__main__":
    main()

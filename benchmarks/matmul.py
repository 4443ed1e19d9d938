"""The machine's peak: the best of many large products of float32 matrices, by NumPy's library or by MXNet's oneDNN."""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

SIZE = 2048


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("library", choices=["numpy", "onednn"])
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    a, b = np.random.default_rng(0).random((2, SIZE, SIZE), dtype=np.float32)
    if options.library == "onednn":
        from hotdog_ft.backend import nd

        first, second = nd.array(a), nd.array(b)

        def multiply():
            nd.FullyConnected(first, second, no_bias=True, num_hidden=SIZE).wait_to_read()
    else:

        def multiply():
            np.matmul(a, b)

    best = float("inf")
    end = time.perf_counter() + options.seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        multiply()
        best = min(best, time.perf_counter() - start)
    print(json.dumps({"flops": 2 * SIZE**3 / best}))


if __name__ == "__main__":
    main()

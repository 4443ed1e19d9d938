"""Gluon's DataLoader with the book's transforms, from files to float32 batches, in the main process as in the book."""

from __future__ import annotations

from benchmarks.measure import argument_parser, endless, report, timed, use_cores


def main() -> None:
    parser = argument_parser()
    parser.add_argument("--cores", type=int, help="use as many (default: all)")
    options = parser.parse_args()
    use_cores(options.cores)

    from benchmarks.book import load_photos  # imports MXNet, which looks at the cores that are left

    train_iter = load_photos(options.data, options.batch_size)

    def consume(batches):
        for X, _ in batches:
            X.wait_to_read()

    batches = endless(lambda epoch: train_iter, lambda batch: len(batch[0]), options.batch_size)
    report(timed(batches, consume, options))


if __name__ == "__main__":
    main()

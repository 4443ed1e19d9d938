"""What a server counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
PHOTOS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """One server's counters."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "hotdog_ft_requests", "Requests answered, by address and status.", ("path", "status"), registry=registry
        )
        self.seconds = Histogram(
            "hotdog_ft_request_seconds",
            "From a request's first line to its answer's last byte.",
            ("path",),
            buckets=SECONDS,
            registry=registry,
        )
        self.answers = Counter("hotdog_ft_answers", "Photos answered, by the answer.", ("label",), registry=registry)
        self.unreadable = Counter("hotdog_ft_unreadable_photos", "Photos that couldn't be read.", registry=registry)
        self.batches = Histogram(
            "hotdog_ft_batch_photos", "Photos computed at once.", buckets=PHOTOS, registry=registry
        )
        self.computing = Histogram(
            "hotdog_ft_batch_seconds", "What computing a batch took.", buckets=SECONDS, registry=registry
        )
        self.waiting = Gauge(
            "hotdog_ft_waiting_photos", "Photos being read, or waiting to be computed.", registry=registry
        )
        ProcessCollector(registry=registry)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)

"""What a server lets in."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Optional

from hotdog_ft.errors import ConfigError

BODIES = 16
"""How many of the largest bodies are held in memory at once; a copy of each comes and goes while it is read."""


@dataclass(frozen=True)
class Settings:
    """Bounds on requests, and who may make them. Raises: ConfigError, where they contradict each other."""

    host: str = "127.0.0.1"
    port: int = 8000
    """0: one that is free."""
    api_key: Optional[str] = None
    """What a request must say that it has."""
    max_bytes: int = 32 << 20
    """Of a request's body."""
    max_pixels: int = 100_000_000
    """Of a photo."""
    max_photos: int = 64
    """Of a request."""
    queue: int = 256
    """Photos of all requests that are being read or wait to be computed."""
    timeout: float = 30.0
    """Seconds for sending a body, and as many for its answer."""

    def __post_init__(self) -> None:
        if self.queue < self.max_photos:
            raise ConfigError(
                f"--queue: {self.queue} photos are fewer than the {self.max_photos} that one request may have.",
                hint="Raise --queue, or lower --max-photos.",
            )
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable() and self.api_key):
            raise ConfigError(
                "--api-key: should be printable ASCII: it is sent in a header.",
                hint="Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe())'.",
            )

    @property
    def local(self) -> bool:
        """Whether this machine alone can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

"""The process that listens: its socket, how it starts, and how it ends."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Optional

import uvicorn
from starlette.applications import Starlette

from hotdog_ft.errors import ConfigError
from hotdog_ft.machine import open_files
from hotdog_ft.serve.settings import Settings

CONNECTIONS, OWN_FILES = 2000, 200
"""More connections are answered 503: each takes some memory, though it asks nothing. And what the process needs beside
them of the files that it may have open: without any left, no connection would be answered at all."""
BACKLOG = 1024
"""Connections that wait to be accepted."""
PATIENCE = 5.0
"""Seconds, beside those that a request may take, for those that are under way when the server is to end."""


def bind(settings: Settings) -> socket.socket:
    """A socket that listens at the settings' address: who connects waits until the server runs.

    Raises: ConfigError, when the address can't be had. Before it listens, another server could have it, too.
    """
    where = f"--host {settings.host} --port {settings.port}"
    bound = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(BACKLOG)
    except OSError as error:
        if bound is not None:
            bound.close()
        hint = "Choose another --port, or 0 for one that is free; --host is an address of this machine."
        raise ConfigError(f"{where}: {error.strerror}.", hint=hint) from error
    return bound


def address_of(bound: socket.socket) -> str:
    """The page's address, as in http://127.0.0.1:8000; by all names, that of this machine itself."""
    host, port = bound.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """Serves an application until it is told to stop, and then answers what it has accepted.

    listening: called when it does. The caller has signals call `handle_exit`; asked again, it ends at once.
    """

    def __init__(self, app: Starlette, settings: Settings, listening: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="on",
                backlog=BACKLOG,
                limit_concurrency=max(1, min(CONNECTIONS, open_files(CONNECTIONS + OWN_FILES) - OWN_FILES)),
                timeout_graceful_shutdown=int(2 * settings.timeout + PATIENCE),
            )
        )
        self._listening = listening

    async def startup(self, sockets: Optional[list[socket.socket]] = None) -> None:
        await super().startup(sockets)
        self._listening()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them to the caller: uvicorn would raise them once more when all is done."""
        yield

    def handle_exit(self, sig: int, frame: Optional[FrameType]) -> None:
        if self.should_exit:
            os._exit(128 + sig)  # whatever threads are at: they can't be told to stop
        self.should_exit = True

"""Who may ask, and what is told to browsers and counted of every answer."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hotdog_ft.serve.metrics import Metrics
from hotdog_ft.serve.refusal import Refusal
from hotdog_ft.serve.settings import Settings

OPEN = frozenset(("/", "/style.css", "/page.js", "/healthz", "/openapi.json"))
"""What is the same for every server: anyone may see it, also to be asked for the key."""
LOCAL_NAMES = frozenset(("localhost", "127.0.0.1", "[::1]"))
ADDRESSES = frozenset((*OPEN, "/model", "/examples", "/predict", "/metrics"))
"""What is counted under its own name."""

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

LINGERING = 1 << 26, 2.0
"""Of a body that is refused: bytes and seconds for which it is read on, so that the answer is heard."""


class _Body:
    """A request's body, of which some may be left when the request is refused."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = Headers(scope=scope)
        self._receive = receive
        self._left = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        self._awaited = "expect" in headers
        """The client sends nothing before it is asked to."""

    async def receive(self) -> Message:
        """The next part."""
        self._awaited = False
        message = await self._receive()
        self._left = message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Read on, within limits: a connection that is closed while it is being written to loses the answer."""
        if self._awaited:
            return
        size, seconds = LINGERING
        ends = time.monotonic() + seconds
        with contextlib.suppress(asyncio.TimeoutError):
            while self._left and size > 0:
                message = await asyncio.wait_for(self.receive(), ends - time.monotonic())
                size -= len(message.get("body", b""))


class Guard:
    """ASGI middleware around the whole server."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0
        body = _Body(scope, receive)

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(HEADERS)
                if status >= 400:
                    await body.drain()
            await send(message)

        try:
            refusal = self._refusal(scope)
            if refusal is None:
                await self._app(scope, body.receive, send_with_headers)
            else:
                await refusal.response()(scope, body.receive, send_with_headers)
        except Exception:
            status = 500  # as Starlette answers, outside of this
            raise
        finally:
            path = scope["path"] if scope["path"] in ADDRESSES else "other"
            self._metrics.requests.labels(path, str(status)).inc()
            self._metrics.seconds.labels(path).observe(time.perf_counter() - began)

    def _refusal(self, scope: Scope) -> Refusal | None:
        """Why this one may not ask; None where it may."""
        headers = Headers(scope=scope)
        key = self._settings.api_key
        if key is None:
            return self._of_stranger(headers.get("host", ""))
        given = headers.get("authorization", "")
        if scope["path"] in OPEN or hmac.compare_digest(given.encode(), f"Bearer {key}".encode()):
            return None
        error = "The API key is wrong." if given else "An API key is needed."
        hint = "Send the header: Authorization: Bearer KEY."
        return Refusal(401, error, hint, {"WWW-Authenticate": "Bearer"})

    def _of_stranger(self, host: str) -> Refusal | None:
        """A page elsewhere whose name has been made to lead here could read what is served to this machine alone."""
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        if not self._settings.local or name.lower() in LOCAL_NAMES | {self._settings.host}:
            return None
        hint = f"Ask for http://{self._settings.host}; for other names start the server with --api-key."
        return Refusal(403, "This server answers to this machine's own names alone.", hint)

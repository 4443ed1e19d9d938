"""Download servers that break in real ways: real HTTP servers on loopback, one behaviour each."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Serves `content` as told. `requests` holds the Range header (or None) of each request."""

    def __init__(self, content: bytes, behaviour: str = "good"):
        self.content = content
        self.behaviour = behaviour
        self.requests: list[str | None] = []
        self.paths: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments):
                pass

            def do_GET(self):
                server.requests.append(self.headers.get("Range"))
                server.paths.append(self.path)
                getattr(server, server.behaviour)(self)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/hotdog.zip"

    def good(self, handler) -> None:
        """Ranges are understood."""
        start = 0
        if handler.headers.get("Range"):
            start = int(handler.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if start >= len(self.content):
                handler.send_response(416)
                handler.send_header("Content-Range", f"bytes */{len(self.content)}")
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(len(self.content) - start))
        handler.end_headers()
        handler.wfile.write(self.content[start:])

    def ignores_ranges(self, handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(self.content)))
        handler.end_headers()
        handler.wfile.write(self.content)

    def breaks_once(self, handler) -> None:
        """Promises everything, sends half, and hangs up; after that, it is good."""
        self.behaviour = "good"
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(self.content)))
        handler.end_headers()
        handler.wfile.write(self.content[: len(self.content) // 2])
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_RDWR)

    def slowly(self, handler) -> None:
        """A hundred kilobytes at a time, until nobody listens any more."""
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(self.content)))
        handler.end_headers()
        with contextlib.suppress(OSError):
            for start in range(0, len(self.content), 100_000):
                handler.wfile.write(self.content[start : start + 100_000])
                handler.wfile.flush()
                time.sleep(0.1)

    def without_length(self, handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(self.content)

    def stalls(self, handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(self.content)))
        handler.end_headers()
        handler.wfile.write(self.content[:10])
        handler.wfile.flush()
        time.sleep(3)

    def breaks_always(self, handler) -> None:
        """Promises more than it ever sends."""
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(self.content) + 1000))
        handler.end_headers()
        handler.wfile.write(self.content)

    def rubbish(self, handler) -> None:
        """Something else, broken off, each time."""
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(self.content)))
        handler.end_headers()
        handler.wfile.write(b"\0" * (len(self.content) // 2))

    def bad_length(self, handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "abc")
        handler.end_headers()

    def bad_redirect(self, handler) -> None:
        self._redirect(handler, "http://[::1/foo")

    def nothing_left(self, handler) -> None:
        """416, whatever was asked."""
        handler.send_response(416)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def endless(self, handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write(b"\0" * 65536)

    def drips(self, handler) -> None:
        """A byte now and then, never silent for long, for five seconds."""
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(100):
                handler.wfile.write(b"\0")
                time.sleep(0.05)

    def promises_less(self, handler) -> None:
        """Says that the file is shorter than it is."""
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(self.content) // 2))
        handler.end_headers()
        handler.wfile.write(self.content)

    def wrong(self, handler) -> None:
        """A whole file, but another one."""
        self._send(handler, b"\0" * len(self.content))

    def lfs_pointer(self, handler) -> None:
        """What Git LFS keeps in place of a large file."""
        size = len(self.content)
        self._send(
            handler, f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize {size}\n".encode()
        )

    def not_found(self, handler) -> None:
        handler.send_error(404)

    def forbidden(self, handler) -> None:
        handler.send_error(403)

    def fails(self, handler) -> None:
        handler.send_error(500)

    def html(self, handler) -> None:
        self._send(handler, b"<!DOCTYPE html><html><body>Please log in</body></html>")

    def _send(self, handler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def redirects(self, handler) -> None:
        self.behaviour = "good"
        self._redirect(handler, self.url)

    def redirects_forever(self, handler) -> None:
        self._redirect(handler, self.url)

    def redirects_to_a_file(self, handler) -> None:
        self._redirect(handler, "file:///etc/passwd")

    def _redirect(self, handler, place: str) -> None:
        handler.send_response(302)
        handler.send_header("Location", place)
        handler.send_header("Content-Length", "0")
        handler.end_headers()


@contextlib.contextmanager
def serve(content: bytes, behaviour: str = "good") -> Iterator[Server]:
    """A server that runs while the block does."""
    server = Server(content, behaviour)
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()


def refusing_url() -> str:
    """A URL on loopback where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/hotdog.zip"

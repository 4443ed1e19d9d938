"""A page in a real browser, without a window: for tests that skip where there is none."""

from __future__ import annotations

import functools
import json
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not here")


class _Site(SimpleHTTPRequestHandler):
    """A folder's files; what a page posts goes to the server's queue."""

    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript", ".wasm": "application/wasm"}  # noqa: RUF012

    def do_POST(self) -> None:
        self.server.posted.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *arguments) -> None:
        pass


@contextmanager
def _served(folder: Path) -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Site, directory=str(folder))) as server:
        server.posted = queue.Queue()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def posted_by(folder: Path, page: str, profile: Path, seconds: float) -> Any:
    """Serve a folder, open a page of it, and return the JSON that the page posts first.

    profile: a folder for the browser's own files. Fails when nothing comes within `seconds`.
    """
    options = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        f"--user-data-dir={profile}",
    ]
    with _served(folder) as server:
        command = [CHROMIUM, *options, f"http://127.0.0.1:{server.server_port}/{page}"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
            try:
                return server.posted.get(timeout=seconds)
            except queue.Empty:
                pytest.fail(f"{page} posted nothing in {seconds:.0f} s")
            finally:
                browser.terminate()

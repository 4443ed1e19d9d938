"""Servers that listen on 127.0.0.1 while a test runs, in this process, so that a test can get at the model."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Callable

import cv2
import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from hotdog_ft.backend import mx
from hotdog_ft.inference.predictor import Predictor
from hotdog_ft.recipes.serve import make_server
from hotdog_ft.serve.server import Server, bind
from hotdog_ft.serve.settings import Settings
from tests.conftest import COLOURS, draw

BOUNDARY = "a-line-between"


@dataclass
class Response:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Service:
    """A server that listens."""

    port: int
    predictor: Predictor
    server: Server

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        """headers: with _ for -."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return Response(response.status, response.headers, response.read())
        finally:
            connection.close()

    def predict(self, *photos: bytes, query: str = "", **headers: str) -> Response:
        """One photo as the body, several as a form."""
        if len(photos) == 1:
            return self.ask("POST", f"/predict{query}", photos[0], **headers)
        return self.ask("POST", f"/predict{query}", form(*photos), **FORM, **headers)

    def metric(self, name: str) -> float:
        """A counter's value; 0 where it hasn't counted yet."""
        lines = self.ask("GET", "/metrics").body.decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


FORM = {"Content_Type": f"multipart/form-data; boundary={BOUNDARY}"}


def form(*photos: bytes) -> bytes:
    """A form with these photos, named 0.jpg, 1.jpg, …"""
    parts = b""
    for i, photo in enumerate(photos):
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="{i}.jpg"\r\n\r\n'
        parts += head.encode() + photo + b"\r\n"
    return parts + f"--{BOUNDARY}--\r\n".encode()


def jpeg(colour: str = "green", seed: int = 0, size: tuple[int, int] = (40, 48)) -> bytes:
    """A photo of mostly one colour."""
    return cv2.imencode(".jpg", draw(COLOURS[colour], seed, size)[:, :, ::-1])[1].tobytes()


@pytest.fixture
def serving(toy_net) -> Iterator[Callable[..., Service]]:
    """A function that starts a server of a small network, with these settings."""
    started: list[tuple[Server, threading.Thread]] = []

    def start(examples=(), batch_size: int = 8, net=None, unknown_below: float = 0.0, **settings) -> Service:
        predictor = Predictor(net or toy_net([mx.cpu()]), mx.cpu(), batch_size, 2, unknown_below)
        chosen = Settings(port=0, **settings)
        bound = bind(chosen)
        listening = threading.Event()
        server = make_server(predictor, chosen, list(examples), listening.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        started.append((server, thread))
        assert listening.wait(60)
        return Service(bound.getsockname()[1], predictor, server)

    yield start
    for server, thread in started:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()

"""The server's addresses, and what each answers."""

from __future__ import annotations

import asyncio
import base64
import functools
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from hotdog_ft.data.jpeg import as_jpeg
from hotdog_ft.data.photo import PhotoBytes
from hotdog_ft.errors import HotdogError, ImageError
from hotdog_ft.inference.predictor import Prediction, Predictor
from hotdog_ft.serve.batching import Answer, Batcher
from hotdog_ft.serve.body import Bodies
from hotdog_ft.serve.examples import Example
from hotdog_ft.serve.guard import Guard
from hotdog_ft.serve.json_response import Json
from hotdog_ft.serve.metrics import Metrics
from hotdog_ft.serve.refusal import Refusal, failed, not_routed, refused
from hotdog_ft.serve.schema import openapi
from hotdog_ft.serve.settings import Settings

PAGE = Path(__file__).parent / "page"
JPEG_QUALITY = 90
TRUE, FALSE = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


def make_app(predictor: Predictor, settings: Settings, examples: Sequence[Example] = ()) -> Starlette:
    """The page and the API of one model: an ASGI application."""
    metrics = Metrics()
    server = _Endpoints(predictor, settings, metrics, examples)
    return Starlette(
        routes=[
            Route("/", functools.partial(_file, "index.html")),
            Route("/style.css", functools.partial(_file, "style.css")),
            Route("/page.js", functools.partial(_file, "page.js")),
            Route("/model", server.model),
            Route("/examples", server.examples),
            Route("/examples/{number}", server.example),
            Route("/predict", server.predict, methods=["POST"]),
            Route("/openapi.json", server.openapi),
            Route("/healthz", server.healthz),
            Route("/metrics", server.metrics),
        ],
        middleware=[Middleware(Guard, settings=settings, metrics=metrics)],
        exception_handlers={Refusal: refused, HTTPException: not_routed, Exception: failed},
        lifespan=server.lifespan,
    )


async def _file(name: str, request: Request) -> Response:
    return FileResponse(PAGE / name)


class _Endpoints:
    """What is answered at each address."""

    def __init__(self, predictor: Predictor, settings: Settings, metrics: Metrics, examples: Sequence[Example]) -> None:
        self._predictor = predictor
        self._settings = settings
        self._metrics = metrics
        self._examples = examples
        self._bodies = Bodies(settings)
        self._explains = _explains(predictor)

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """The batcher lives as long as the server; when that ends, all that was accepted has been answered."""
        self._batcher = Batcher(self._predictor, self._settings, self._metrics)
        yield
        self._batcher.close()

    async def model(self, request: Request) -> Response:
        """What the model is, and what the server takes."""
        classifier = self._predictor.classifier
        return Json(
            {
                "architecture": classifier.architecture,
                "classes": classifier.classes,
                "image_size": classifier.preprocess.image_size,
                "explains": self._explains,
                "unknown_below": self._predictor.unknown_below,
                "max_bytes": self._settings.max_bytes,
                "max_photos": self._settings.max_photos,
                "version": version("hotdog-ft"),
            }
        )

    async def examples(self, request: Request) -> Response:
        """Photos to try, by address."""
        named = enumerate(self._examples)
        return Json([{"name": example.name, "url": f"/examples/{i}"} for i, example in named])

    async def example(self, request: Request) -> Response:
        """One of them."""
        number = request.path_params["number"]
        if not re.fullmatch(r"[0-9]{1,6}", number) or int(number) >= len(self._examples):
            raise Refusal(404, f"There is no example {number[:40]}.", "GET /examples says which there are.")
        return Response(self._examples[int(number)].jpeg, media_type="image/jpeg")

    async def predict(self, request: Request) -> Response:
        """What photos show."""
        top = self._top(request)
        explain = self._explain(request)
        with self._bodies.room.held() as share:
            try:
                photos = await self._bodies.photos_in(request, share)
            except ClientDisconnect:
                return Response(status_code=400)  # to nobody
            answers = await self._batcher.answers(photos, explain)
        if len(answers) == 1 and isinstance(answers[0], ImageError):
            raise Refusal.of_photo(answers[0])
        as_json = functools.partial(_predictions, photos, answers, top)
        return Json({"predictions": await asyncio.to_thread(as_json) if explain else as_json()})

    async def openapi(self, request: Request) -> Response:
        """How to ask, for programs."""
        return Json(openapi(self._settings))

    async def healthz(self, request: Request) -> Response:
        """That there is somebody."""
        return Json({"status": "ok"})

    async def metrics(self, request: Request) -> Response:
        """What was counted."""
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4")

    def _top(self, request: Request) -> int:
        """How many classes to name. Raises: Refusal."""
        classes = len(self._predictor.classifier.classes)
        text = request.query_params.get("top", str(classes))
        if not re.fullmatch(r"0*[1-9][0-9]{0,8}", text):
            raise Refusal(422, f"top: should be a number from 1 on (given: {text[:40]!r}).", "Leave it out for all.")
        return min(int(text), classes)

    def _explain(self, request: Request) -> bool:
        """Whether to say where the network looked. Raises: Refusal."""
        text = request.query_params.get("explain", "").lower()
        if text not in TRUE + FALSE:
            raise Refusal(422, f"explain: should be true or false (given: {text[:40]!r}).", "Leave it out for false.")
        if text in TRUE and not self._explains:
            raise Refusal(422, "explain: this model can't be explained.", "GET /model says whether one can.")
        return text in TRUE


def _explains(predictor: Predictor) -> bool:
    """Whether there is a way to say where the network looked."""
    try:
        _ = predictor.explainer
    except HotdogError:
        return False
    return True


def _predictions(photos: Sequence[PhotoBytes], answers: Sequence[Answer], top: int) -> list[dict[str, Any]]:
    """As JSON takes them, in the photos' order."""
    return [_as_json(photo.name, answer, top) for photo, answer in zip(photos, answers)]


def _as_json(name: str, answer: Answer, top: int) -> dict[str, Any]:
    if isinstance(answer, ImageError):
        empty = dict.fromkeys(("label", "probability", "probabilities"))
        return {"name": name, **empty, "error": answer.message, "explanation": None}
    return {
        "name": name,
        "label": answer.label,
        "probability": answer.probability,
        "probabilities": _most_probable(answer, top),
        "error": None,
        "explanation": None if answer.explanation is None else _uri(as_jpeg(answer.explanation, JPEG_QUALITY)),
    }


def _most_probable(answer: Prediction, top: int) -> dict[str, float]:
    """The `top` most probable classes, the most probable first."""
    assert answer.probabilities is not None
    ranked = sorted(answer.probabilities.items(), key=lambda item: -item[1])
    return dict(ranked[:top])


def _uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"

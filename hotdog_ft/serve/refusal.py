"""Requests that are not done, and how that is told: a status, and JSON with an error and a hint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hotdog_ft.errors import ImageError, LargeImageError, NotAnImageError
from hotdog_ft.serve.json_response import Json

RETRY_AFTER = {"Retry-After": "1"}

_HINTS = {
    404: "GET / is the page, GET /openapi.json says what else there is.",
    405: "GET /openapi.json says how each address is used.",
}


class Refusal(Exception):
    """A request that is refused. error, hint: as in HotdogError."""

    def __init__(self, status: int, error: str, hint: str, headers: Optional[Mapping[str, str]] = None) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.hint = hint
        self.headers = headers

    @classmethod
    def of_photo(cls, error: ImageError) -> Refusal:
        """Of a request whose only photo can't be read."""
        if isinstance(error, LargeImageError):
            status = 413
        else:
            status = 415 if isinstance(error, NotAnImageError) else 422
        return cls(status, error.message, error.hint)

    def response(self) -> Response:
        """What is answered."""
        return Json({"error": self.error, "hint": self.hint}, self.status, headers=self.headers)


async def refused(request: Request, refusal: Exception) -> Response:
    """Starlette's handler of a Refusal."""
    assert isinstance(refusal, Refusal)
    return refusal.response()


async def not_routed(request: Request, error: Exception) -> Response:
    """Starlette's handler of what it refuses itself: addresses that aren't there, methods that they don't have."""
    assert isinstance(error, HTTPException)
    hint = _HINTS.get(error.status_code, "GET /openapi.json says what there is.")
    return Refusal(error.status_code, f"{error.detail}.", hint, error.headers).response()


async def failed(request: Request, error: Exception) -> Response:
    """Starlette's handler of everything else, which it raises again, so that the server's log has the traceback."""
    return Refusal(500, "Unexpected: the server failed.", "Its log says how; please report that.").response()

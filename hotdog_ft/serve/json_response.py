"""Answers in JSON, of any class's name: a folder's is any bytes, and not always UTF-8."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import JSONResponse


class Json(JSONResponse):
    """JSON in ASCII."""

    def render(self, content: Any) -> bytes:
        """Raises: ValueError, for what JSON has no word for."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()

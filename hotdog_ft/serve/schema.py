"""What the API takes and gives, as OpenAPI says it."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from hotdog_ft.serve.settings import Settings

_STRING, _NUMBER, _INTEGER, _BOOLEAN = ({"type": kind} for kind in ("string", "number", "integer", "boolean"))
_PROBABILITY = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_REASONS = {
    "401": "no API key, or a wrong one",
    "403": "asked for by a name that isn't this machine's",
    "404": "there is nothing at this address",
    "405": "the address doesn't have this method",
    "408": "the body came too slowly",
    "413": "too many bytes, pixels or photos",
    "415": "no image, or of a kind that isn't read",
    "422": "a broken image, no photo at all, or a wrong parameter",
    "429": "too many photos wait; try again after the seconds in Retry-After",
    "503": "no answer in time, or out of memory; try again after the seconds in Retry-After",
}


def _object(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required or list(properties)}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


_SCHEMAS = {
    "Error": _object({"error": _STRING, "hint": _STRING}),
    "Model": _object(
        {
            "architecture": _STRING,
            "classes": {"type": "array", "items": _STRING},
            "image_size": _INTEGER,
            "explains": {**_BOOLEAN, "description": "whether explain=true has an effect"},
            "unknown_below": {**_NUMBER, "description": "less probable answers are `unknown`"},
            "max_bytes": {**_INTEGER, "description": "of a request's body"},
            "max_photos": {**_INTEGER, "description": "of a request"},
            "version": {**_STRING, "description": "of hotdog-ft"},
        }
    ),
    "Example": _object({"name": _STRING, "url": _STRING}),
    "Prediction": _object(
        {
            "name": {**_STRING, "description": "the file's, as it was sent"},
            "label": {"type": ["string", "null"], "description": "the most probable class, or `unknown`"},
            "probability": {**_PROBABILITY, "description": "the most probable class's"},
            "probabilities": {
                "type": ["object", "null"],
                "additionalProperties": _NUMBER,
                "description": "by class, the most probable first",
            },
            "error": {"type": ["string", "null"], "description": "why this photo couldn't be read"},
            "explanation": {
                "type": ["string", "null"],
                "description": "a data: URI of a JPEG, the photo coloured where the network looked",
            },
        }
    ),
    "Predictions": _object({"predictions": {"type": "array", "items": _ref("Prediction"), "minItems": 1}}),
}

_TOP = {
    "name": "top",
    "in": "query",
    "description": "name the K most probable classes; all unless given",
    "schema": {"type": "integer", "minimum": 1},
}
_EXPLAIN = {
    "name": "explain",
    "in": "query",
    "description": "colour the photo where the network looked (Grad-CAM)",
    "schema": {"type": "boolean", "default": False},
}


def openapi(settings: Settings) -> dict[str, Any]:
    """OpenAPI 3.1 of a server with these settings."""
    key = [] if settings.api_key is None else [{"key": list[str]()}]
    photo = {"type": "string", "contentMediaType": "application/octet-stream"}
    form = _object({"photo": {"type": "array", "items": photo, "maxItems": settings.max_photos, "minItems": 1}})
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "hotdog-ft",
            "version": version("hotdog-ft"),
            "description": "What photos show, by a fine-tuned image classifier.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": {
            "/predict": {
                "post": {
                    "operationId": "predict",
                    "summary": "What one photo or many show",
                    "description": f"Up to {settings.max_photos} photos and {settings.max_bytes} bytes. Of one photo "
                    "that can't be read the status tells; of many, each has its error.",
                    "parameters": [_TOP, _EXPLAIN],
                    "requestBody": {
                        "required": True,
                        "content": {
                            "multipart/form-data": {"schema": form},
                            "image/*": {},
                        },
                    },
                    "responses": {**_json("Predictions"), **_errors("401 403 408 413 415 422 429 503")},
                    "security": key,
                }
            },
            "/model": _get("model", "What the model is, and what the server takes", _json("Model"), key),
            "/examples": _get("examples", "Photos to try", _json("Example", many=True), key),
            "/metrics": _get("metrics", "Counters, for Prometheus", _text("text/plain"), key),
            "/healthz": _get("healthz", "That the server is there", _text("application/json"), []),
        },
        "components": {"schemas": _SCHEMAS},
    }
    if settings.api_key is not None:
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return document


def _get(name: str, summary: str, responses: dict[str, Any], key: list) -> dict[str, Any]:
    errors = _errors("401 403" if key else "403")
    return {"get": {"operationId": name, "summary": summary, "responses": {**responses, **errors}, "security": key}}


def _json(name: str, many: bool = False) -> dict[str, Any]:
    schema = {"type": "array", "items": _ref(name)} if many else _ref(name)
    return {"200": {"description": "done", "content": {"application/json": {"schema": schema}}}}


def _text(kind: str) -> dict[str, Any]:
    return {"200": {"description": "done", "content": {kind: {}}}}


def _errors(statuses: str) -> dict[str, Any]:
    content = {"application/json": {"schema": _ref("Error")}}
    return {status: {"description": _REASONS[status], "content": content} for status in statuses.split()}

"""What a model that is written for other programs says of itself: all that they need besides the network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hotdog_ft.models.classifier import Classifier


def describe(classifier: Classifier, model: Path) -> dict[str, Any]:
    """Plain values for JSON, by name. The temperature is in the probabilities already.

    model: the model folder that the classifier is from.
    """
    saved = json.loads((model / "model.json").read_text(encoding="utf-8"))
    return {
        "architecture": classifier.architecture,
        "classes": list(classifier.classes),
        "preprocess": classifier.preprocess.to_dict(),
        "temperature": classifier.temperature or 1.0,
        "parameters_sha256": saved["parameters_sha256"],
        "hotdog_ft": version("hotdog-ft"),
    }


def is_description(found: Mapping[str, Any]) -> bool:
    """Whether `describe` has made it, rather than another program."""
    return "parameters_sha256" in found and "hotdog_ft" in found


def as_text(description: Mapping[str, Any]) -> dict[str, str]:
    """The same where values must be text: what is no text already as JSON."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in description.items()
    }


def differing(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """The names under which two descriptions differ. The version that wrote them may."""
    ours, theirs = as_text(expected), as_text(found)
    return [name for name, value in ours.items() if theirs.get(name) != value and name != "hotdog_ft"]

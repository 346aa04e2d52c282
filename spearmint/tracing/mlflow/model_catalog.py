"""The prices of models that come with MLflow, read without importing it, which takes seconds and turns tracing on."""

import functools
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Pricing = Mapping[str, Any]
"""Prices by name, such as ``input_per_million_tokens``; ``long_context`` holds those of long inputs."""

_FOLDER = ("utils", "model_catalog")


@functools.cache
def catalog() -> Mapping[str, Mapping[str, Pricing]]:
    """Return from each model, by each provider, to its prices; empty where MLflow has none."""
    found: dict[str, dict[str, Pricing]] = {}
    for path in _files():
        try:
            models = json.loads(path.read_text(encoding="utf-8"))["models"]
        except (OSError, ValueError, KeyError):
            continue
        for name, entry in models.items():
            pricing = entry.get("pricing") or {}
            if pricing.get("input_per_million_tokens") is not None:
                found.setdefault(name, {})[path.stem] = pricing
    return found


def _files() -> list[Path]:
    spec = importlib.util.find_spec("mlflow")  # noqa: TID251 - it has no parent
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    return sorted(path for folder in folders for path in Path(folder, *_FOLDER).glob("*.json"))

"""Nested configs as one mapping from paths to values."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def flatten(config: Mapping[Any, Any], prefix: str = "", *, lists: bool = False) -> dict[str, Any]:
    """Return the values of a config by the paths that bindings give them.

    Args:
        config: The config.
        prefix: What stands before each path.
        lists: Whether the items of lists that hold mappings or lists have paths of their own.

    >>> flatten({"a": {"b": 1, "c": {}}, "d": [{"e": 2}]})
    {'a.b': 1, 'a.c': {}, 'd': [{'e': 2}]}
    >>> flatten({"d": [{"e": 2}]}, lists=True)
    {'d.0.e': 2}
    """
    return {path: value for key, item in config.items() for path, value in _leaves(item, f"{prefix}{key}", lists)}


def differing_paths(configs: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the paths, of several flattened configs, at which not all hold the same, in the order of their first use.

    >>> differing_paths([{"k": 1, "model": "a"}, {"k": 2, "model": "a"}])
    ['k']
    """
    first: dict[str, str] = {}
    differs: dict[str, bool] = {}
    for position, config in enumerate(configs):
        texts = {path: _text(value) for path, value in config.items()}
        if not position:
            first, differs = texts, dict.fromkeys(texts, False)
        for path in {**first, **texts}:
            differs[path] = differs.get(path, False) or first.get(path) != texts.get(path)
    return [path for path, does in differs.items() if does]


def _text(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - a value of the user's may do anything
        return object.__repr__(value)


def _leaves(value: Any, path: str, lists: bool) -> Iterator[tuple[str, Any]]:  # noqa: FBT001
    items: Iterator[tuple[Any, Any]] | None = None
    if isinstance(value, Mapping) and value:
        items = iter(value.items())
    elif lists and isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        items = enumerate(value)
    if items is None:
        yield path, value
        return
    for key, item in items:
        yield from _leaves(item, f"{path}.{key}", lists)

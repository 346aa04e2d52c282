"""Keys in which configs differ and that no parameter gets: most often a misspelt one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pydantic import BaseModel

from spearmint.cases.bound_config import BoundConfig
from spearmint.config.flatten import flatten
from spearmint.registry.binding_watch import unnoted
from spearmint.registry.experiment import ExperimentFunction
from spearmint.suggest import did_you_mean

_MISSING = object()
_MOST_COMPARED = 1000  # configs that are looked into


def unread_keys(options: Sequence[BoundConfig], readers: Iterable[ExperimentFunction]) -> list[str]:
    """Return the paths in which configs differ and that no parameter of the readers gets."""
    varying = varying_paths([option.config for option in options])
    if not varying:
        return []
    bound = list(_bound(options[0], readers))
    return [path for path in varying if not any(_is_read(path, place, value) for place, value in bound)]


def varying_paths(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the paths at which configs differ."""
    flat = [flatten(config) for config in configs[:_MOST_COMPARED]]
    paths = dict.fromkeys(path for one in flat for path in one)
    return [path for path in paths if _varies([one.get(path, _MISSING) for one in flat])]


def unread_message(name: str, keys: Sequence[str], readers: Iterable[ExperimentFunction]) -> str:
    """Return a warning of such keys, with the paths that are read and close to them."""
    known = sorted({text for one in readers for slot in one.binder.slots for text in (slot.path, slot.name) if text})
    hints = "".join(did_you_mean(key, known) for key in keys)
    several = len(keys) > 1
    return (
        f"The configs of {name} differ in {', '.join(map(repr, keys))}, which {'reach' if several else 'reaches'} no "
        f"parameter of it or of what runs under its config, so that {'they make' if several else 'it makes'} no "
        f"difference.{hints}"
    )


def _varies(values: Sequence[Any]) -> bool:
    first = values[0]
    try:
        return any(bool(value != first) for value in values[1:])
    except Exception:  # noqa: BLE001 - values of the user's that cannot be compared may well differ
        return True


def _bound(option: BoundConfig, readers: Iterable[ExperimentFunction]) -> Iterator[tuple[str, Any]]:
    """Yield the path and value of each parameter that a config fills."""
    for reader in readers:
        values: Sequence[Any] = ()
        with suppress(Exception):  # One that this config does not bind to is no reader of it.
            values = option.values if option in reader.options else reader.inherit(option).values
        for slot, value in zip(reader.binder.slots, values, strict=False):
            yield slot.path, None if value is None else unnoted(value)()


def _is_read(path: str, place: str, value: Any) -> bool:
    if place and path != place and not path.startswith(f"{place}.") and not place.startswith(f"{path}."):
        return False
    steps = path[len(place) :].strip(".").split(".") if len(path) > len(place) else []
    for step in steps:
        if not isinstance(value, BaseModel) or type(value).model_config.get("extra") == "allow":
            return True
        names = {field.alias or name: name for name, field in type(value).model_fields.items()}
        names |= {name: name for name in type(value).model_fields}
        if step not in names:
            return False
        value = getattr(value, names[step], None)
    return True

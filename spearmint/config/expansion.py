"""From one mapping with sweeps in it to the configs of their product."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from spearmint.config.canonical import DICTS, MAX_DEPTH
from spearmint.config.id_template import fill_id_template
from spearmint.config.model import (
    ATOMS,
    MAPPINGS,
    Config,
    assemble,
    assign_ranges,
    give_id,
    given_id,
    ranges_of,
    rebuilt_tuple,
    take_id,
)
from spearmint.config.sweep import (
    FLOAT_RANGE_KEY,
    RANGE_KEY,
    SWEEP_KEY,
    DynamicValue,
    Range,
    RangeError,
    make_float_range,
    make_range,
)
from spearmint.errors import ConfigError

_DONE = object()
_EXACT = 10**15  # numbers beyond are shown by their magnitude

_Path = tuple[str, ...]
_Axis = tuple[DynamicValue[Any], _Path]


def generate_configurations(config: Mapping[str, Any]) -> Iterator[Config]:
    """Expand a mapping into one config for each combination of its alternatives.

    Alternatives are a `DynamicValue`, or what files say: a mapping with the one key ``"$sweep"`` and a list, or with
    the one key ``"$range"`` and ``{"start": 0, "stop": 10, "step": 2}`` in the meaning of Python's `range`. They may
    stand anywhere, also in lists and in one another. The combinations come in the order of `itertools.product` over
    the keys, the last key fastest, and are made one by one.

    The id under ``"__config_id__"`` may name values of each config: ``"{model}-k{retrieval.k}"``, with format
    specifications as in `str.format`. Without alternatives it is taken as it is.

    Args:
        config: Any mapping. It is not changed.

    Returns:
        The configs, lazily. Dicts, lists and tuples belong to one config each; other values are shared by all.

    Raises:
        ConfigError: There is nothing to choose from somewhere, a range is malformed, the mapping contains itself, or
            a template of ids names what a config does not hold.

    Examples:
        >>> grid = {"k": DynamicValue([5, 10]), "b": {"$range": {"start": 0.1, "stop": 0.3, "step": 0.1}}}
        >>> [(config.k, config.b) for config in generate_configurations(grid)]
        [(5, 0.1), (5, 0.2), (10, 0.1), (10, 0.2)]
    """
    if not isinstance(config, MAPPINGS):
        msg = f"Cannot expand {config!r}: it is no mapping. Give a config, or a dict."
        raise ConfigError(msg)
    return expand(config, None)


def expand(config: Mapping[str, Any], limit: int | None) -> Iterator[Config]:
    """Do what `generate_configurations` does, and refuse more configs than a limit allows; None for no limit."""
    axes: list[_Axis] = []
    template = _template(dict(config), (), axes)
    if limit is not None:
        _check_size(axes, limit)
    ranges = dict(ranges_of(config)) if isinstance(config, Config) else {}
    ranges |= {path: sweep for sweep, path in axes if isinstance(sweep, Range)}
    return _configs(template, axes, given_id(config), limit, ranges)


def _configs(
    template: Any, axes: list[_Axis], config_id: str | None, limit: int | None, ranges: Mapping[_Path, Range]
) -> Iterator[Config]:
    for number, row in enumerate(_rows(axes)):
        if number == limit:
            _check_size(axes, limit, at_least=number + 1)
        config = _filled(template, iter(row))
        if not isinstance(config, Config):
            msg = f"Cannot use {config!r} as a config: it is no mapping. Sweep over mappings here."
            raise ConfigError(msg)
        take_id(config)
        if config_id is not None:
            give_id(config, config_id)
        if axes:
            fill_id_template(config)
        yield assign_ranges(config, ranges) if ranges else config


def _template(value: Any, path: _Path, axes: list[_Axis]) -> Any:
    """Return a value with each sweep in it as a `DynamicValue`, and add these to the axes in the order of the keys."""
    if type(value) in ATOMS:
        return value
    if len(path) > MAX_DEPTH:
        raise _inexpandable(path[:3], f"it is nested deeper than {MAX_DEPTH} levels, or contains itself", "Flatten it")
    sweep = _sweep(value, path)
    if sweep is not None:
        axes.append((sweep, path))
        return sweep
    if isinstance(value, DICTS):
        return {key: _template(item, (*path, str(key)), axes) for key, item in value.items()}
    if isinstance(value, list):
        return [_template(item, (*path, str(index)), axes) for index, item in enumerate(value)]
    if isinstance(value, tuple):
        return rebuilt_tuple(value, [_template(item, (*path, str(index)), axes) for index, item in enumerate(value)])
    return value


def _sweep(value: Any, path: _Path) -> DynamicValue[Any] | None:
    """Return the alternatives that a value stands for, however it says so; None for a value that is itself."""
    if isinstance(value, DynamicValue):
        return value
    if not isinstance(value, DICTS) or len(value) != 1:
        return None
    if SWEEP_KEY in value:
        alternatives = value[SWEEP_KEY]
        if isinstance(alternatives, list | tuple):
            return DynamicValue(alternatives)
        raise _inexpandable(path, f"{SWEEP_KEY!r} has {alternatives!r}", "Give it a list")
    try:
        if RANGE_KEY in value:
            return DynamicValue(make_range(value[RANGE_KEY]))
        if FLOAT_RANGE_KEY in value:
            return make_float_range(value[FLOAT_RANGE_KEY])
    except RangeError as error:
        raise _inexpandable(path, error.cause, error.advice) from None
    return None


def _rows(axes: list[_Axis]) -> Iterator[list[Any]]:
    """Yield each combination, always in the same list, as an odometer counts.

    `itertools.product` would read every axis to its end before its first row.
    """
    wheels = [_alternatives(sweep, path) for sweep, path in axes]
    row = [next(wheel) for wheel in wheels]
    places = range(len(axes) - 1, -1, -1)
    is_turning = True
    while is_turning:
        yield row
        is_turning = False
        for place in places:
            value = next(wheels[place], _DONE)
            if value is not _DONE:
                row[place] = value
                is_turning = True
                break
            wheels[place] = _alternatives(*axes[place])
            row[place] = next(wheels[place])


def _alternatives(sweep: DynamicValue[Any], path: _Path) -> Iterator[Any]:
    """Yield at least one value: what the sweep holds, and in place of what holds sweeps what these expand to."""
    is_empty = True
    for alternative in sweep:
        if type(alternative) in ATOMS:
            is_empty = False
            yield alternative
            continue
        axes: list[_Axis] = []
        template = _template(alternative, path, axes)
        if any(isinstance(one, Range) for one, _ in axes):
            raise _inexpandable(path, "a range of numbers stands in an alternative", "Give it a key of its own")
        for row in _rows(axes):
            is_empty = False
            yield _filled(template, iter(row))
    if is_empty:
        raise _inexpandable(path, "there is nothing to choose from", "Give the sweep at least one value")


def _filled(template: Any, row: Iterator[Any]) -> Any:
    """Return a template with new containers, and with the next value of the row in place of each sweep."""
    if isinstance(template, DynamicValue):
        return _filled(next(row), row)
    if isinstance(template, dict):
        config = assemble(())
        for key, part in template.items():
            value = next(row) if type(part) is DynamicValue else part
            config[key] = value if type(value) in ATOMS else _filled(value, row)
        return config
    if isinstance(template, list):
        return [_filled(item, row) for item in template]
    if isinstance(template, tuple):
        return rebuilt_tuple(template, [_filled(item, row) for item in template])
    return template


def _check_size(axes: list[_Axis], limit: int, at_least: int = 0) -> None:
    """Refuse sweeps whose product is larger than a limit, or has already been found to be."""
    sizes = [max(1, sweep.known_length) for sweep, _ in axes]
    total = max(math.prod(sizes), at_least)
    if total <= limit:
        return
    size, path = max(((size, path) for size, (_, path) in zip(sizes, axes, strict=True)), default=(0, ()))
    count = f"more than {limit:,}" if at_least else _number(total)
    cause = (
        f"the sweeps make {count} configs, {_number(size)} values of them here; {limit:,} are kept in memory at most"
    )
    raise _inexpandable(path, cause, "Sweep over less, or read the configs one by one with iter_configs")


def _number(count: int) -> str:
    return f"{count:,}" if count < _EXACT else f"some 10^{int(math.log10(count))}"


def _inexpandable(path: _Path, cause: str, advice: str) -> ConfigError:
    place = repr(".".join(path)) if path else "the config"
    return ConfigError(f"Cannot expand {place}: {cause}. {advice}.", path=".".join(path))

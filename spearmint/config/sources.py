"""Where configs come from: mappings, models, files, folders, globs, and iterables of those."""

import dataclasses
import glob
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from spearmint.config.canonical import DICTS, MAX_DEPTH
from spearmint.config.expansion import expand
from spearmint.config.file_access import files_below, files_matching
from spearmint.config.files import SUFFIXES, read_file
from spearmint.config.located import LocatedMapping
from spearmint.config.memory_limit import MAX_CONFIGS, MemoryLimit
from spearmint.config.model import Config, assign_id, assign_origin, generate_config_id, given_id, origin_of
from spearmint.errors import ConfigError
from spearmint.giving_way import give_way
from spearmint.redaction import redactor

_ROOT = "configs"
_PATHS = f"the path of a {', '.join(SUFFIXES)} file or of a folder, or a glob"
_ACCEPTED = f"Give a mapping, a pydantic model or a dataclass instance, {_PATHS}, or an iterable of those"
_REFUSED = (type, bytes, bytearray, BaseModel)  # all but some classes can be iterated, to no sense here
_SHOWN = 200

_Located = tuple[str, Config]
_Place = tuple[str, int | None, int | None]
_PlaceOf = Callable[[str | None], _Place]


def parse_configs(source: Any, *, relative_to: Path | None = None) -> list[Config]:
    """Read configs from wherever they are, expand their sweeps, and give each its id.

    Sources are mappings, pydantic models, dataclass instances, and paths of ``.yaml``, ``.yml``, ``.json`` and
    ``.jsonl`` files, of folders (read with their subfolders, in sorted order, without hidden files) or globs (sorted,
    ``**`` for any folders); and any iterable of those. How YAML is understood is told by
    `spearmint.config.yaml_loader.load_mapping`, what a sweep is by `generate_configurations`.

    Args:
        source: A source, or an iterable of sources.
        relative_to: The folder that relative paths start from; None for the working directory.

    Returns:
        The configs, in the order of their sources.

    Raises:
        ConfigError: A source is something else, is missing or cannot be read; a config cannot be expanded or
            identified; or two configs that differ have one id. Equal configs may be there twice, to compare a
            function with itself.

    Examples:
        >>> [config.k for config in parse_configs([{"k": 1}, {"k": {"$sweep": [2, 3]}}])]
        [1, 2, 3]
    """
    memory = MemoryLimit()
    located = []
    for place, config in _located(source, _ROOT, relative_to, memory):
        give_way()
        memory.add_config(config, place)
        located.append((place, config))
    seen: dict[str, _Located] = {}
    for place, config in located:
        give_way()
        config_id = given_id(config) or _computed_id(config, place)
        first = seen.setdefault(config_id, (place, config))
        if first[1] is not config:
            _check_same(first, (place, config), config_id)
    return [config for _, config in located]


def iter_configs(source: Any, *, relative_to: Path | None = None) -> Iterator[Config]:
    """Read configs as `parse_configs` does, one by one as they are asked for.

    A ``.jsonl`` file is read line by line, a folder file by file, a sweep config by config. Ids are computed when they
    are asked for, and are not compared.

    Args:
        source: A source, or an iterable of sources.
        relative_to: The folder that relative paths start from; None for the working directory.

    Yields:
        The configs, in the order of their sources.

    Raises:
        ConfigError: As `parse_configs`, when the iteration comes there.
    """
    for _, config in _located(source, _ROOT, relative_to):
        yield config


def _located(
    source: Any, place: str, base: Path | None, memory: MemoryLimit | None = None, depth: int = 0
) -> Iterator[_Located]:
    """Yield the configs of a source, each with the place where it stands; without a memory limit there may be any."""
    if isinstance(source, str | os.PathLike):
        yield from _from_path(source, place, base, memory)
        return
    mapping = _as_mapping(source)
    if mapping is not None:
        origin = origin_of(mapping) if isinstance(mapping, Config) else None
        for config in _expanded(mapping, memory, lambda _: origin or (place, None, None)):
            yield place, assign_origin(config, origin)
        return
    if isinstance(source, _REFUSED) or not isinstance(source, Iterable) or depth > MAX_DEPTH:
        advice = "Give an instance of it" if isinstance(source, type) else _ACCEPTED
        msg = f"Cannot read a config from {_shown(source)}: {type(source).__name__} is no source of configs. {advice}."
        raise ConfigError(msg, source=place)
    for index, item in enumerate(source):
        if memory is not None:
            memory.add_item(f"{place}[{index}]")
        yield from _located(item, f"{place}[{index}]", base, memory, depth + 1)


def _from_path(
    source: str | os.PathLike[Any], place: str, base: Path | None, memory: MemoryLimit | None
) -> Iterator[_Located]:
    for file in find_files(os.fsdecode(source), place, base):
        path = str(file)
        for entry in read_file(file):
            where = f"{path}:{entry.position[0]}"
            if memory is not None:
                memory.add_item(where)
            for config in _expanded(entry.data, memory, partial(_place_in_file, path, entry)):
                yield where, assign_origin(config, (path, *entry.position))


def _place_in_file(path: str, entry: LocatedMapping, at: str | None) -> _Place:
    return (path, *entry.position_of(at))


def _as_mapping(source: Any) -> Mapping[Any, Any] | None:
    """Return what a source says if it is a single config, None if it is not."""
    if isinstance(source, Mapping):
        return source
    if isinstance(source, type) or not (isinstance(source, BaseModel) or dataclasses.is_dataclass(source)):
        return None
    plain = _plain(source)
    return plain if isinstance(plain, Mapping) else None  # a RootModel may be anything


def _plain(value: Any) -> Any:
    """Return a value with its models and dataclasses as dicts; `dataclasses.asdict` would also copy the leaves."""
    if isinstance(value, BaseModel):
        return value.model_dump(warnings=False)  # a sweep in a field of another type is no reason to warn
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if type(value) in (list, tuple):
        return type(value)(map(_plain, value))
    if type(value) in DICTS:
        return {key: _plain(item) for key, item in value.items()}
    return value


def _expanded(mapping: Mapping[Any, Any], memory: MemoryLimit | None, place_of: _PlaceOf) -> Iterator[Config]:
    """Yield the configs that a mapping expands to; an error says where in the source the value at its path stands."""
    try:
        yield from expand(mapping, None if memory is None else MAX_CONFIGS)
    except ConfigError as error:
        if error.source is not None:
            raise
        source, line, column = place_of(error.path)
        raise ConfigError(error.problem, source=source, line=line, column=column, path=error.path) from error.__cause__


def find_files(text: str, place: str, base: Path | None) -> list[Path]:
    """Return the files that a path stands for: itself, those in a folder, or those that match a glob; never none."""
    # The functions of os.path say no where pathlib raises: names that are too long, no home, no permission.
    root = Path(base or "")
    expanded = os.path.expanduser(text)  # noqa: PTH111
    path = root / expanded
    if text and os.path.isdir(path):  # noqa: PTH112
        found = sorted(path for path in files_below(path, place) if _is_config_file(path))
        cause = f"no file in the folder ends with {', '.join(SUFFIXES)}"
    elif text and os.path.exists(path):  # noqa: PTH110
        return [path]
    elif glob.has_magic(text):
        found = sorted(path for path in files_matching(expanded, root, place) if _is_config_file(path))
        cause = f"no file that ends with {', '.join(SUFFIXES)} matches the glob"
    else:
        found = []
        cause = _why_missing(path) if text else "the path is empty"
    if not found:
        start = f"relative paths start from {str(base or Path.cwd())!r}"
        msg = f"Cannot read configs from {_shown(text)}: {cause} ({start}). Give {_PATHS}."
        raise ConfigError(msg, source=place)
    return found


def _is_config_file(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


def _why_missing(path: Path) -> str:
    try:
        names = os.listdir(path.parent)  # noqa: PTH208 - names are compared, not paths
    except (OSError, ValueError):
        return f"there is no folder {str(path.parent)!r}"
    if path.name in names:
        with suppress(OSError):
            return f"it is a link to {str(path.readlink())!r}, which leads nowhere"
    close = get_close_matches(path.name, names, n=3)
    hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
    return f"there is no {_shown(path.name)} in {str(path.parent)!r}{hint}"


def _shown(value: Any) -> str:
    return redactor().excerpt(repr(redactor().redact(value)), _SHOWN)


def _computed_id(config: Config, place: str) -> str:
    try:
        config_id = generate_config_id(config)
    except ConfigError as error:
        raise ConfigError(error.problem, source=place) from error.__cause__
    assign_id(config, config_id)
    return config_id


def _check_same(first: _Located, second: _Located, config_id: str) -> None:
    if _is_same(first[1], second[1]):
        return
    keys = [key for key in first[1] | second[1] if repr(first[1].get(key)) != repr(second[1].get(key))]
    msg = (
        f"Cannot tell two configs apart: those from {first[0]} and {second[0]} differ in "
        f"{', '.join(map(repr, keys))}, but both have the id {config_id!r}. Give each an id of its own."
    )
    raise ConfigError(msg, source=second[0])


def _is_same(first: Config, second: Config) -> bool:
    """Tell whether two configs under one id hold the same, though ``1 == True`` and ``nan != nan``."""
    try:
        has_one_form = generate_config_id(first) == generate_config_id(second)
    except ConfigError:  # that is why they have an id that was given
        return bool(first == second)
    try:
        return has_one_form and (first == second or repr(first) == repr(second))
    except ValueError:  # arrays do not compare to one truth value
        return has_one_form

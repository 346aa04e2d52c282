"""Targets such as ``pkg.mod:Class.method``, with globs in both parts, and the definitions that they match."""

import re
from dataclasses import dataclass, field

_GLOB = re.compile(r"[*?\[\]]")
_NAME = re.compile(r"[^\W\d]\w*")
_NAME_OR_GLOB = re.compile(r"(?:[\w*?]|\[[!\w-]+\])+")
_NUMBERED = re.compile(r"(.*)#([1-9][0-9]*)")
_LOCALS = "<locals>"
_SPECIAL = re.compile(r"__\w+__")
_WITHIN = r"[^.<>#]"


@dataclass(frozen=True, slots=True)
class Target:
    """Which definitions an experiment of a settings file stands for.

    Attributes:
        text: The target as it was written.
        module: Name of the module, or a glob.
        name: Qualified name of the function, without a number, or a glob.
        number: Which of several definitions of that name, counted from 1; None for all of them.
    """

    text: str
    module: str
    name: str
    number: int | None
    _module: re.Pattern[str] = field(compare=False, repr=False)
    _parts: tuple[re.Pattern[str] | None, ...] = field(compare=False, repr=False)

    @property
    def root(self) -> str:
        """Name of the package, or module, at the top of its modules' names."""
        return self.module.partition(".")[0]

    @property
    def is_exact(self) -> bool:
        """Whether it names one function of one module, without a glob."""
        return not self.has_module_glob and not self.has_name_glob

    @property
    def has_module_glob(self) -> bool:
        """Whether it may stand for functions of several modules."""
        return _GLOB.search(self.module) is not None

    @property
    def has_name_glob(self) -> bool:
        """Whether it may stand for several functions of a module."""
        return _GLOB.search(self.name) is not None

    def covers(self, module: str) -> bool:
        """Tell whether its module part matches a module's name."""
        return self._module.fullmatch(module) is not None

    def matches(self, name: str) -> bool:
        """Tell whether its function part matches a definition, whose name is numbered from the second on."""
        plain, number = without_number(name)
        return (self.number in (None, number)) and _match(self._parts, plain.split("."))


def parse_target(text: str) -> Target:
    """Read a target.

    In the module part ``*`` stands for any text, dots included, so that ``shop.*`` means all modules below ``shop``. In
    the function part it stays between two dots: ``shop.rank:*`` are the functions of the module, ``shop.rank:*.*`` the
    methods of its classes; ``**`` means any number of parts, as in file globs. A glob leaves names such as ``__init__``
    alone unless it begins with two underscores. ``f#2`` is the second definition of ``f``, ``f`` every one of them.
    A private method may be written ``C.__f`` or ``C._C__f``, a nested function is ``f.<locals>.g``.
    """
    module, colon, name = text.partition(":")
    if not colon:
        raise _refusal(text, "it has no colon", f"Write {_guess(text)!r}: the module, a colon, the function")
    plain, number = _split_number(name)
    parts = module.split(".")
    if not _NAME.fullmatch(parts[0]):
        raise _refusal(text, f"{parts[0]!r} is no package", "Begin with the name of one, without a glob")
    for part in parts[1:]:
        if not _NAME_OR_GLOB.fullmatch(part):
            raise _refusal(text, f"{part!r} is no part of a module's name", "Write it as 'package.module:function'")
    names = plain.split(".")
    for part in names:
        if part == "<lambda>":
            raise _refusal(text, "a lambda has no name", "Name the function around it, or make it a def")
        if part != _LOCALS and not _NAME_OR_GLOB.fullmatch(part):
            advice = "Write the name as __qualname__ has it, such as 'Class.method' or 'f.<locals>.g'"
            raise _refusal(text, f"{part!r} is no function's name" if part else "a function's name is missing", advice)
    names = _unmangled(names)
    return Target(
        text=text,
        module=module,
        name=".".join(names),
        number=number,
        _module=re.compile(_expression(module, ".")),
        _parts=tuple(None if part == "**" else _part(part) for part in names),
    )


def without_number(name: str) -> tuple[str, int]:
    """Return a definition's qualified name without its number, and the number: 1 where it has none."""
    plain, number = _split_number(name)
    return plain, number or 1


def is_within(module: str, package: str) -> bool:
    """Tell whether a module is a package, or below it."""
    return module == package or module.startswith(f"{package}.")


def _split_number(name: str) -> tuple[str, int | None]:
    numbered = _NUMBERED.fullmatch(name)
    return (numbered[1], int(numbered[2])) if numbered else (name, None)


def _refusal(text: str, cause: str, advice: str) -> ValueError:
    return ValueError(f"Cannot read the target {text!r}: {cause}. {advice}.")


def _guess(text: str) -> str:
    """Return a dotted path with its most likely colon: before a class, else before the last name."""
    parts = text.replace("/", ".").split(".")
    index = next((at for at, part in enumerate(parts) if part[:1].isupper()), len(parts) - 1)
    return f"{'.'.join(parts[:index]) or 'package.module'}:{'.'.join(parts[index:])}"


def _unmangled(parts: list[str]) -> list[str]:
    """Return the parts with private names as ``__qualname__`` has them: ``C.__f`` where it says ``C._C__f``."""
    result = list(parts)
    for index in range(1, len(parts)):
        mangled = f"_{parts[index - 1].lstrip('_')}"
        if parts[index].startswith(f"{mangled}__") and not parts[index].endswith("__"):
            result[index] = parts[index].removeprefix(mangled)
    return result


def _part(text: str) -> re.Pattern[str] | None:
    hidden = "" if text.startswith("__") or not _GLOB.search(text) else rf"(?!{_SPECIAL.pattern}\Z)"
    return re.compile(hidden + _expression(text, _WITHIN))


def _expression(glob: str, anything: str) -> str:
    """Return a glob as a regular expression; `fnmatch` has no word for "between two dots"."""
    pieces = re.findall(r"\*+|\?|\[[^\]]*\]|.", glob)
    return "".join(_translated(piece, anything) for piece in pieces)


def _translated(piece: str, anything: str) -> str:
    if piece.startswith("*"):
        return f"{anything}*"
    if piece == "?":
        return anything
    if piece.startswith("["):
        return f"[^{piece[2:]}" if piece.startswith("[!") else piece
    return re.escape(piece)


def _match(patterns: tuple[re.Pattern[str] | None, ...], parts: list[str]) -> bool:
    if not patterns:
        return not parts
    first, rest = patterns[0], patterns[1:]
    if first is None:
        return _match_any(rest, parts)
    return bool(parts) and first.fullmatch(parts[0]) is not None and _match(rest, parts[1:])


def _match_any(rest: tuple[re.Pattern[str] | None, ...], parts: list[str]) -> bool:
    """Match ``**``: one part or more at the end, any number of them before other parts."""
    if not rest:
        return bool(parts) and not _SPECIAL.fullmatch(parts[-1])
    return any(_match(rest, parts[skipped:]) for skipped in range(len(parts) + 1))

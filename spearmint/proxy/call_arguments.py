"""How the function that a call runs takes arguments, and how it hands them on.

Where the parameters of the wrapped function are plain, a call has the same ones: the interpreter then moves each value
from one frame to the next, without making a tuple and a dict on the way. Elsewhere it takes ``*args, **kwargs``.
"""

import inspect
import keyword
import types
from collections.abc import Iterable
from typing import Any

from spearmint.config.binding import Slot
from spearmint.registry.experiment import ExperimentFunction

OMITTED = object()
"""Stands for an argument that the caller leaves out."""


def keywords_given(names: tuple[str, ...], values: tuple[Any, ...]) -> dict[str, Any]:
    """Return the arguments that the caller gives, by name."""
    return {name: value for name, value in zip(names, values, strict=True) if value is not OMITTED}


class AnyArguments:
    """A call takes whatever it is given.

    Attributes:
        declared: What stands in the parentheses of its ``def``.
        passed: What stands in those of the call of the wrapped function.
        positional: An expression for the positional arguments.
        packed: The start of a line, which makes ``args`` and ``kwargs`` of the arguments where they are something else.
        by_class: The end of a condition, which asks for the case that is cached for the class of a receiver.
        lacks_one: A condition, true where an argument is missing that the interpreter does not ask for; may be empty.
        defaults: What `types.FunctionType` takes as ``argdefs``.
        keyword_defaults: The same of parameters that only a keyword can give.
    """

    declared = passed = "*args, **kwargs"
    positional = "args"
    packed = ""
    by_class = " and (not args or (case := cached_case_by_class.get(type(args[0]))) is None)"
    lacks_one = ""
    defaults: tuple[Any, ...] | None = None
    keyword_defaults: dict[str, Any] | None = None

    def is_missing(self, slot: Slot) -> str:
        """Return an expression for whether the caller leaves a parameter to the config."""
        is_missing = f"{slot.name!r} not in kwargs"
        if slot.index is None:
            return is_missing
        return f"{f'len(args) <= {slot.index}' if slot.index else 'not args'} and {is_missing}"

    def target(self, slot: Slot) -> str:
        """Return where the value of a parameter goes."""
        return f"kwargs[{slot.name!r}]"

    def named(self, code: types.CodeType) -> types.CodeType:
        """Return the code of a call with the names that callers may use."""
        return code


class NamedArguments(AnyArguments):
    """A call has the parameters of the wrapped function, in its text by the names ``arg_0``, ``arg_1`` and so on.

    Args:
        function: The wrapped function.
        slots: The parameters that configs fill.
    """

    def __init__(self, function: types.FunctionType, slots: Iterable[Slot]) -> None:
        code, defaults = function.__code__, function.__defaults__ or ()
        count = code.co_argcount
        self._names = code.co_varnames[: count + code.co_kwonlyargcount]
        with_default = self._names[count - len(defaults) : count]
        own = {name: f"function.__defaults__[{at - len(defaults)}]" for at, name in enumerate(with_default)}
        own |= {name: f"function.__kwdefaults__[{name!r}]" for name in function.__kwdefaults__ or ()}
        filled = {slot.name for slot in slots}
        # A parameter without a default may follow one that configs fill. Callers then give it by keyword.
        first = next((index for index, name in enumerate(self._names[:count]) if name in filled or name in own), count)
        self._optional = {*filled, *own, *self._names[first:count]}
        self.defaults = (OMITTED,) * (count - first)
        self.keyword_defaults = {name: OMITTED for name in self._names[count:] if name in self._optional}
        self.declared = self._declare(count, code.co_posonlyargcount)
        values = {name: self._at(name) for name in self._names}
        values |= {
            name: f"({value} if {self._at(name)} is OMITTED else {self._at(name)})" for name, value in own.items()
        }
        self.passed = ", ".join(
            [values[name] if index < count else f"{name}={values[name]}" for index, name in enumerate(self._names)]
        )
        self.positional = f"({''.join(f'{self._at(name)}, ' for name in self._names[:first])})"
        self.packed = f"args, kwargs = {self.positional}, {self._keywords(self._names[first:])}; "
        required = [name for name in self._names[first:count] if name not in filled and name not in own]
        self.lacks_one = " or ".join(f"{self._at(name)} is OMITTED" for name in required)
        self.by_class = " and (case := cached_case_by_class.get(type(arg_0))) is None" if first else ""

    def is_missing(self, slot: Slot) -> str:
        """Return an expression for whether the caller leaves a parameter to the config."""
        return f"{self._at(slot.name)} is OMITTED"

    def target(self, slot: Slot) -> str:
        """Return where the value of a parameter goes."""
        return self._at(slot.name)

    def named(self, code: types.CodeType) -> types.CodeType:
        """Return the code of a call with the names that callers may use; its own get a dot, as those of `inspect`."""
        own = (f".{name}" for name in code.co_varnames[len(self._names) :])
        return code.replace(co_varnames=(*self._names, *own))

    def _at(self, name: str) -> str:
        return f"arg_{self._names.index(name)}"

    def _declare(self, count: int, positional_only: int) -> str:
        parts = [f"{self._at(name)}{'=OMITTED' * (name in self._optional)}" for name in self._names]
        if count < len(parts):
            parts.insert(count, "*")
        if positional_only:
            parts.insert(positional_only, "/")
        return ", ".join(parts)

    def _keywords(self, names: tuple[str, ...]) -> str:
        if not names:
            return "{}"
        (name, *others) = names
        if not others:
            pair = f"{{{name!r}: {self._at(name)}}}"
            return f"{{}} if {self._at(name)} is OMITTED else {pair}" if name in self._optional else pair
        return f"keywords_given({names!r}, ({', '.join(map(self._at, names))}))"


def arguments_of(experiment: ExperimentFunction) -> AnyArguments:
    """Return how a call of an experiment takes its arguments."""
    function, slots = experiment.function, experiment.binder.slots
    if type(function) is not types.FunctionType or experiment.kind not in ("function", "coroutine"):
        return AnyArguments()
    if vars(function).keys() & {"__signature__", "__wrapped__"} or not _is_plain(function):
        return AnyArguments()
    if any(slot.override or slot.is_positional_only for slot in slots):
        return AnyArguments()
    return NamedArguments(function, slots)


def _is_plain(function: types.FunctionType) -> bool:
    """Tell whether a text may name each parameter that may be left out, and none takes what is left over."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    takes_more = code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
    first_default = code.co_argcount - len(function.__defaults__ or ())
    can_be_named = all(name.isidentifier() and not keyword.iskeyword(name) for name in names)
    return not takes_more and can_be_named and code.co_posonlyargcount <= first_default

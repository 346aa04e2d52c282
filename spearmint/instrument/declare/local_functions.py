"""Definitions that run again and again, as of functions inside functions: one experiment, made ready once."""

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any

from spearmint.proxy.proxy import experiment_of, wrap_function
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.registry import registry

_Shape = tuple[tuple[Any, ...], tuple[Any, ...]]
"""Annotations, and defaults."""


@dataclass(frozen=True, slots=True)
class _Made:
    """What the first run of a definition has left.

    Attributes:
        code: The code that it gave its function, kept so that its identity stands for nothing else.
        experiment: What it was declared as, without the function.
        shape: What else of a function matters to how it is called.
    """

    code: CodeType
    experiment: ExperimentFunction
    shape: _Shape


class LocalFunctionCache:
    """Remembers what definitions inside functions were declared as.

    Declaring reads the signature and validates every config, which would be paid on each run of the enclosing function;
    and a strategy that takes turns would begin anew each time.
    """

    def __init__(self) -> None:
        self._made: dict[int, _Made] = {}

    def get_or_declare(
        self, function: Callable[..., Any], namespace: Mapping[str, Any], declare: Callable[[Callable[..., Any]], Any]
    ) -> Any:
        """Make an experiment of a function, with as much as possible of what was made for its definition before.

        Args:
            function: A function that stands in another one.
            namespace: Names around it that its annotations may use.
            declare: Declares it from the ground up.

        Returns:
            The experiment, or the function as it is.
        """
        code = getattr(function, "__code__", None)
        known = self._made.get(id(code))
        if known is not None and (shape := _shape(function)) is not None and _is_same(known, shape, namespace):
            experiment = known.experiment
            return wrap_function(function, lambda inner: _redeclare(experiment, inner))
        made = declare(function)
        if made is function or not isinstance(code, CodeType):
            return made
        experiment, _, _ = experiment_of(made.__func__ if isinstance(made, classmethod) else made)
        shape = _shape(function)
        if known is None and shape is not None:
            own = _Made(code, _redeclare(experiment, _placeholder), shape)
            known = self._made.setdefault(id(code), own)  # Another thread may have been here meanwhile.
            experiment.canonical = known.experiment  # To plans, it is the same as those that follow.
        if known is not None:
            experiment.strategy = known.experiment.strategy
        return made


def _placeholder() -> None:
    """Stand for no function."""


def _redeclare(experiment: ExperimentFunction, function: Callable[..., Any]) -> ExperimentFunction:
    """Return the same experiment for another function of the same definition, which has its own surroundings."""
    made = experiment.redeclared(function)
    if function is _placeholder:
        made.canonical = made
    else:
        registry.add(made)
    return made


def _shape(function: Callable[..., Any]) -> _Shape | None:
    """Return what a definition may give its function otherwise the next time; None where that cannot be compared."""
    try:
        annotations = tuple(_annotations(function).values())
    except Exception:  # noqa: BLE001 - since 3.14 an annotation is an expression that runs when it is asked for
        return None
    defaults = getattr(function, "__defaults__", None) or ()
    keywords = getattr(function, "__kwdefaults__", None) or {}
    return annotations, (*defaults, *keywords.values())


def _annotations(function: Callable[..., Any]) -> Mapping[str, Any]:
    if sys.version_info < (3, 14):
        return getattr(function, "__annotations__", None) or {}
    # Not `__annotations__`, which would keep what the names in it stand for now.
    annotate = getattr(function, "__annotate__", None)
    return annotate(1) if annotate is not None else {}  # annotationlib.Format.VALUE


def _is_same(known: _Made, shape: _Shape, namespace: Mapping[str, Any]) -> bool:
    for new, old in zip(shape, known.shape, strict=True):
        if len(new) != len(old) or any(one is not other for one, other in zip(new, old, strict=True)):
            return False
    words = (word for item in shape[0] if isinstance(item, str) for word in re.findall(r"\w+", item))
    return not any(word in namespace for word in words)  # An annotation as text may name what is local.

"""How the inputs of a row become the arguments of a function."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from spearmint.cases.case import ExperimentCase
from spearmint.config.model import ATOMS
from spearmint.errors import EvaluationError
from spearmint.evaluation.dataset import Row
from spearmint.registry.experiment import ExperimentFunction
from spearmint.signatures import parameters_of
from spearmint.suggest import did_you_mean

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Arguments:
    """The parameters of one function, as rows fill them.

    Args:
        experiment: The experiment.
        args: Positional arguments that every call gets first, such as the instance of a method.
        kwargs: Keyword arguments that every call gets, unless the row has them.
    """

    def __init__(self, experiment: ExperimentFunction, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self._name = experiment.name
        self._args = args
        self._kwargs = kwargs
        parameters = parameters_of(experiment.function)
        self._takes_any = parameters is None
        known = (parameters or ())[len(args) :]
        self._positional = [one.name for one in known if one.kind is inspect.Parameter.POSITIONAL_ONLY]
        self._names = {one.name for one in known if one.kind in _BY_NAME}
        self._takes_any = parameters is None or any(one.kind is inspect.Parameter.VAR_KEYWORD for one in known)
        filled = {slot.name for slot in experiment.binder.slots} | set(kwargs)
        needed = [one for one in known if one.kind in _BY_NAME or one.kind is inspect.Parameter.POSITIONAL_ONLY]
        self._needed = [one.name for one in needed if one.default is one.empty and one.name not in filled]

    def check(self, row: Row, filled: Mapping[str, str]) -> None:
        """Refuse a row that the function could not be called with, or that would win over the configs."""
        for name in row.inputs:
            if name in filled:
                cause = f"it gives {name!r}, which {filled[name]} fills too, so that every config would come out equal"
                advice = (
                    f"Take {name!r} out of the row; or bindings={{{name!r}: None}} leaves the parameter to the rows"
                )
                raise EvaluationError(f"Cannot evaluate the row at {row.place}: {cause}. {advice}.")
            if name not in self._names and name not in self._positional and not self._takes_any:
                raise EvaluationError(f"Cannot evaluate the row at {row.place}: {self._stranger(name)}")
        missing = [name for name in self._needed if name not in row.inputs]
        if missing:
            cause = f"{self._name} needs {', '.join(map(repr, missing))}, which neither the row nor a config gives"
            advice = f"The row has {', '.join(map(repr, row.inputs)) or 'no inputs'}"
            raise EvaluationError(f"Cannot evaluate the row at {row.place}: {cause}. {advice}.")

    def of(self, row: Row) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return positional and keyword arguments for a call; lists and dicts in them are copies of their own."""
        inputs = {**self._kwargs, **row.inputs}
        args = self._args
        for name in self._positional:
            if name not in inputs:
                break
            args = (*args, _own(inputs.pop(name)))
        for name, value in inputs.items():
            if type(value) not in ATOMS:
                inputs[name] = _own(value)
        return args, inputs

    def _stranger(self, name: Any) -> str:
        names = sorted({*self._names, *self._positional})
        hint = did_you_mean(str(name), names)
        takes = ", ".join(map(repr, names)) or "nothing"
        advice = 'Take it out, or give rows as {"inputs": {...}, "expectations": {...}}'
        return f"{name!r} is no parameter of {self._name}, which takes {takes}.{hint} {advice}."


def filled_by(experiment: ExperimentFunction, cases: Iterable[ExperimentCase]) -> dict[str, str]:
    """Return the parameters that the configs of some cases fill, each with the config and path that does."""
    found: dict[str, str] = {}
    for case in cases:
        for slot, value in zip(experiment.binder.slots, case.values, strict=True):
            if value is not None and case.option.config and slot.name not in found:
                place = f"{slot.path!r} of config" if slot.path else "config"
                found[slot.name] = f"{place} {case.config_id!r}"
    return found


def _own(value: Any) -> Any:
    """Copy lists and dicts, since the row goes to every config and one could change it for the next."""
    if type(value) is dict:
        return {key: _own(item) for key, item in value.items()}
    if type(value) is list:
        return [_own(item) for item in value]
    return value

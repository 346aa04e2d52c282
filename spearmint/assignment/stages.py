"""Stages, by which an experiment reaches more units step by step, and guardrails, which take it back."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spearmint.errors import ConfigError
from spearmint.suggest import did_you_mean

COSTS = ("error", "duration")
"""The metrics of which more is worse without a word; of others, less is."""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PERIOD = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>[smhdw])")
_STAGE_KEYS = ("traffic", "shadow", "for", "units", "approve")
_GUARDRAIL_KEYS = ("metric", "worse_by", "lower", "alpha", "horizon")
_PERIOD_ADVICE = "Write seconds, or a text such as '90s', '15m', '1h', '1d' or '1w'"


@dataclass(frozen=True, slots=True)
class Stage:
    """One step: how many units take part, and what has to be reached for the next one to begin.

    Attributes:
        traffic: Share of the units that take part.
        shadow: Share of the calls on which the other arms run beside the caller's.
        seconds: How long it lasts at least; None where time does not matter.
        units: How many units it exposes at least that had not been exposed before; None where that does not matter.
        approve: Whether a person has to approve of its end.
    """

    traffic: float = 0.0
    shadow: float = 0.0
    seconds: float | None = None
    units: int | None = None
    approve: bool = False

    def __str__(self) -> str:
        ends = [
            *([f"for {period_text(self.seconds)}"] if self.seconds else []),
            *([f"{self.units:,} units"] if self.units else []),
            *(["approval"] if self.approve else []),
        ]
        shares = [
            f"{name} {value:.4g}" for name, value in (("shadow", self.shadow), ("traffic", self.traffic)) if value
        ]
        return f"{', '.join(shares)} ({' and '.join(ends) or 'stays'})"


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A metric that no arm may make worse than the first config does.

    Attributes:
        metric: Its name.
        worse_by: How much worse it may be, in its own unit.
        lower: Whether less of it is better.
        alpha: How likely it may ever roll back arms that are not worse, whenever one looks.
        horizon: The number of units, of two arms together, at which it is to be sharpest.
    """

    metric: str
    worse_by: float = 0.0
    lower: bool = False
    alpha: float = 0.05
    horizon: float = 5000.0


def parse_stage(given: Any) -> Stage:
    """Return the stage that a mapping such as ``{"traffic": 0.05, "for": "1d", "units": 500}`` says.

    Raises:
        ConfigError: If a key is unknown, or a value is out of range.
    """
    _check_keys(given, _STAGE_KEYS, "a stage", "{traffic: 0.05, for: 1d, units: 500}")
    shares = {name: _number(given, name, "a share from 0 to 1", 0, 1) for name in ("traffic", "shadow")}
    if not any(shares.values()):
        raise ConfigError(f"Cannot use the stage {dict(given)!r}: nothing runs in it. Give 'traffic' or 'shadow'.")
    seconds = None if given.get("for") is None else parse_period(given["for"], "for")
    units = given.get("units")
    if units is not None and (not isinstance(units, int) or isinstance(units, bool) or units < 1):
        raise ConfigError(f"Cannot wait for 'units' {units!r}: it is no number of units. Give a whole number from 1.")
    approve = given.get("approve", False)
    if not isinstance(approve, bool):
        raise ConfigError(f"Cannot set 'approve' to {approve!r}: it is neither true nor false. Give one of them.")
    return Stage(shares["traffic"], shares["shadow"], seconds, units, approve)


def parse_stages(given: Any) -> tuple[Stage, ...]:
    """Return the stages that a list of mappings says, checked one by one and together.

    Raises:
        ConfigError: If one is no stage, one but the last never ends, or one takes traffic back.
    """
    stages = _parsed(given, parse_stage, "stages")
    if problem := stages_problem(stages):
        raise ConfigError(f"Cannot use stages[{problem[0]}]: {problem[1]}")
    return stages


def stages_problem(stages: Sequence[Stage]) -> tuple[int, str] | None:
    """Return the position of the first stage that does not fit those around it, and what is wrong; else None."""
    for position, stage in enumerate(stages):
        if position and stage.traffic < stages[position - 1].traffic:
            cause = f"its traffic {stage.traffic:g} is less than before it, so that units would change their config"
            return position, f"{cause}. Give traffic that does not fall; a roll-back is 'spearmint stage rollback'."
        is_endless = stage.seconds is None and stage.units is None and not stage.approve
        if is_endless and position < len(stages) - 1:
            return position, "it never ends, so that the next one never begins. Give 'for', 'units' or 'approve: true'."
    return None


def parse_guardrail(given: Any) -> Guardrail:
    """Return the guardrail that a mapping such as ``{"metric": "error", "worse_by": 0.01}`` says.

    Raises:
        ConfigError: If a key is unknown or missing, or a value is out of range.
    """
    _check_keys(given, _GUARDRAIL_KEYS, "a guardrail", "{metric: error, worse_by: 0.01}")
    metric = given.get("metric")
    if not isinstance(metric, str) or not metric:
        raise ConfigError(f"Cannot guard the 'metric' {metric!r}: it is no name. Give one, such as error or duration.")
    lower = given.get("lower", metric in COSTS)
    if not isinstance(lower, bool):
        raise ConfigError(f"Cannot set 'lower' to {lower!r}: it is neither true nor false. Give one of them.")
    worse_by = _number(given, "worse_by", "a number from 0, in the metric's unit", 0, math.inf)
    alpha = _number({"alpha": 0.05, **given}, "alpha", "a probability above 0, up to 0.4", 1e-9, 0.4)
    horizon = _number({"horizon": 5000.0, **given}, "horizon", "a number of units from 2", 2, 1e12)
    return Guardrail(metric, worse_by, lower, alpha, horizon)


def parse_guardrails(given: Any) -> tuple[Guardrail, ...]:
    """Return the guardrails that a list of mappings says.

    Raises:
        ConfigError: If one is none.
    """
    return _parsed(given, parse_guardrail, "guardrails")


def parse_period(given: Any, name: str) -> float:
    """Return the seconds that a number, or a text such as ``"15m"``, says.

    Args:
        given: The number or text.
        name: What it is for.

    Raises:
        ConfigError: If it is no time above 0.
    """
    seconds: float | None = None
    if isinstance(given, int | float) and not isinstance(given, bool):
        seconds = float(given)
    elif isinstance(given, str) and (match := _PERIOD.fullmatch(given.strip())):
        seconds = float(match["number"]) * _SECONDS[match["unit"]]
    if seconds is None or not 0 < seconds < math.inf:
        raise ConfigError(f"Cannot use {name!r} {given!r}: it is no time. {_PERIOD_ADVICE}.")
    return seconds


def period_text(seconds: float) -> str:
    """Return seconds as `parse_period` reads them, in the largest unit that tells them in a short number."""
    for unit, size in reversed(_SECONDS.items()):
        if seconds >= size:
            return f"{seconds / size:.3g}{unit}"
    return f"{seconds:.3g}s"


def _parsed(given: Any, parse: Any, name: str) -> tuple[Any, ...]:
    if not isinstance(given, Iterable) or isinstance(given, str | Mapping):
        raise ConfigError(f"Cannot read {name!r} from {given!r:.80}: it is no list. Give a list of mappings.")
    made = []
    for position, one in enumerate(given):
        try:
            made.append(parse(one))
        except ConfigError as error:
            raise ConfigError(f"Cannot use {name}[{position}]: {error}") from error
    return tuple(made)


def _check_keys(given: Any, known: Sequence[str], kind: str, example: str) -> None:
    if not isinstance(given, Mapping):
        raise ConfigError(f"Cannot read {kind} from {given!r:.80}: it is no mapping. Write it as {example}.")
    for key in given:
        if key not in known:
            close = did_you_mean(str(key), known)
            message = (
                f"Cannot use the key {key!r}: there is none such in {kind}. Give some of {', '.join(known)}.{close}"
            )
            raise ConfigError(message)


def _number(given: Mapping[str, Any], name: str, wanted: str, least: float, most: float) -> float:
    value = given.get(name, 0.0)
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most or value == math.inf:
        raise ConfigError(f"Cannot set {name!r} to {value!r}: it is out of range. Give {wanted}.")
    return float(value)

"""How an experiment is run: what `spearmint.Spearmint` and its decorator take beside configs, checked."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from spearmint.cases.plan import Combine
from spearmint.config.signature import Bindings
from spearmint.errors import DeclarationError, EvaluationError
from spearmint.scorers import Scorer, compile_call_scorers
from spearmint.strategies.builtin import SingleConfigStrategy


def _scorers(metrics: Any) -> tuple[Scorer, ...] | None:
    try:
        return None if metrics is None else compile_call_scorers(metrics)
    except EvaluationError as error:
        raise DeclarationError(str(error)) from error


def is_positive(value: Any, kind: Any) -> bool:
    """Tell whether a value is a number of a kind, above 0."""
    return isinstance(value, kind) and not isinstance(value, bool) and value > 0


def bad_setting(name: str, value: Any, wanted: str) -> DeclarationError:
    """Return the error for a setting that is out of range."""
    return DeclarationError(f"Cannot set {name!r} to {value!r}: it is of no use there. Give {wanted}.")


def check_tracing(tracing: Any) -> None:
    """Refuse what ``tracing`` of an experiment cannot be."""
    held = tracing if isinstance(tracing, Mapping) else {"enabled": tracing}
    if not set(held) <= {"enabled", "sample_rate"} or held.get("enabled") not in (True, False, None):
        wanted = "True, False, None, or a mapping with 'enabled' and 'sample_rate'; configure(tracing=...) has the rest"
        raise bad_setting("tracing", tracing, wanted)
    rate = held.get("sample_rate", 1)
    if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 <= rate <= 1:
        raise bad_setting("tracing", tracing, "a sample_rate from 0 to 1")


@dataclass(frozen=True, slots=True)
class ExperimentSettings:
    """How an experiment is run, as `spearmint.Spearmint` documents it; an experiment's own settings replace these.

    Attributes:
        scorers: What scores outputs of exposed units; None for what the process says.
    """

    strategy: Any = SingleConfigStrategy
    bindings: Bindings = field(default_factory=dict)
    on_variant_error: Callable[[BaseException], object] | None = None
    variant_timeout: float | None = None
    copy_args: bool = False
    combine: Combine = "product"
    max_cases: int | None = 1000
    compare: Callable[[Any, Any], Any] | None = None
    tracing: bool | Mapping[str, Any] | None = None
    cache: bool = True
    metrics: Any = None
    scorers: tuple[Scorer, ...] | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if not isinstance(self.bindings, Mapping):
            raise bad_setting("bindings", self.bindings, "a mapping from types or parameter names to paths")
        if self.on_variant_error is not None and not callable(self.on_variant_error):
            raise bad_setting("on_variant_error", self.on_variant_error, "a function of the exception")
        if self.variant_timeout is not None and not is_positive(self.variant_timeout, int | float):
            raise bad_setting("variant_timeout", self.variant_timeout, "a number of seconds above 0, or None")
        if not isinstance(self.copy_args, bool):
            raise bad_setting("copy_args", self.copy_args, "True or False")
        if not isinstance(self.cache, bool):
            raise bad_setting("cache", self.cache, "True or False")
        if self.combine not in ("product", "one_at_a_time"):
            raise bad_setting("combine", self.combine, "'product' or 'one_at_a_time'")
        if self.max_cases is not None and not is_positive(self.max_cases, int):
            raise bad_setting("max_cases", self.max_cases, "a whole number above 0, or None for no bound")
        if self.compare is not None and not callable(self.compare):
            raise bad_setting("compare", self.compare, "a function of main's and a variant's result")
        check_tracing(self.tracing)
        object.__setattr__(self, "scorers", _scorers(self.metrics))

    @property
    def is_traced(self) -> bool | None:
        """Whether executions are traced; None for as the process has it."""
        enabled: bool | None = self.tracing.get("enabled") if isinstance(self.tracing, Mapping) else self.tracing
        return enabled

    @property
    def sample_rate(self) -> float | None:
        """Which share of the calls is traced; None for as the process has it."""
        return self.tracing.get("sample_rate") if isinstance(self.tracing, Mapping) else None


def changed_settings(settings: ExperimentSettings, changes: Mapping[str, Any]) -> ExperimentSettings:
    """Return settings with some replaced.

    Raises:
        DeclarationError: If there is no such setting, or it is out of range.
    """
    refuse_unknown([name for name in changes if name not in _names()])
    return replace(settings, **changes)


def refuse_unknown(names: Iterable[str]) -> None:
    """Raise an error if there are names, which are those of no setting."""
    for name in names:
        known = ", ".join(sorted(_names()))
        message = f"Cannot set {name!r}: there is no such setting. Give some of {known}."
        raise DeclarationError(message)


def _names() -> list[str]:
    return [one.name for one in fields(ExperimentSettings) if one.init]

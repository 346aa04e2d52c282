"""What ``spearmint.yaml`` may say, as pydantic models; `spearmint.instrument.settings.load` fills them."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PositiveFloat,
    PositiveInt,
    Tag,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from spearmint.assignment.stages import parse_guardrail, parse_stage
from spearmint.errors import DeclarationError
from spearmint.execution.call_metrics import MetricsOptions
from spearmint.execution.limits import PoolLimits
from spearmint.instrument.settings.target import parse_target
from spearmint.instrument.settings.value_target import parse_value
from spearmint.online.options import OnlineOptions
from spearmint.process_options import ProcessOptions
from spearmint.registry.settings import check_tracing
from spearmint.strategies.by_name import check_strategy
from spearmint.suggest import did_you_mean
from spearmint.tracing.options import TracingOptions

STEERING = ("stages", "guardrails")
"""The keys of an entry that its split is made with."""

_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_IMPORT_PATH = re.compile(rf"{_MODULE.pattern}:{_MODULE.pattern}")


def _named(key: str) -> BeforeValidator:
    """Let text stand for a mapping that says nothing but this."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, str) else value)


def _package_name(name: str) -> str:
    if _MODULE.fullmatch(name):
        return name
    bare = name.removesuffix(".*").removesuffix(".**")
    advice = f"Write {bare!r}: a name covers its submodules" if _MODULE.fullmatch(bare) else "Write 'pkg' or 'pkg.sub'"
    message = f"Cannot use the package {name!r}: it is no dotted name. {advice}."
    raise ValueError(message)


def _target(text: str) -> str:
    parse_target(text)
    return text


def _value(text: str) -> str:
    parse_value(text)
    return text


def _exact_target(text: str) -> str:
    if not parse_target(text).is_exact:
        message = f"Cannot begin cases in {text!r}: it may be several functions. Name one, or list them."
        raise ValueError(message)
    return text


def _binding_key(key: str) -> str:
    if key.isidentifier() or _IMPORT_PATH.fullmatch(key):
        return key
    message = (
        f"Cannot bind {key!r}: it is no parameter's name. Write 'parameter: path.in.config', "
        "or 'pkg.mod:Model: path.in.config' for every parameter that is annotated with a class."
    )
    raise ValueError(message)


def _list_of_sources(value: Any) -> Any:
    if value is None or isinstance(value, list):
        return value
    return list(value) if isinstance(value, tuple) else [value]


def _list(value: Any) -> Any:
    return list(value or ()) if value is None or isinstance(value, tuple) else value  # a key with nothing behind it


def _mapping(value: Any) -> Any:
    return {} if value is None else value


def _or_object(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Let a mapping that comes from Python hold the thing itself instead of its name."""
    return value if callable(value) else validate(value)


def _import_path(value: str) -> str:
    if _IMPORT_PATH.fullmatch(value):
        return value
    message = f"Cannot import {value!r}: it is no import path. Write 'pkg.mod:name'."
    raise ValueError(message)


def _source(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        message = f"Cannot read a config from {value!r}: it is no source. Give a path, or a mapping as the config."
        raise ValueError(message)
    return value


def _tracing(value: Any) -> Any:
    try:
        check_tracing(value)
    except DeclarationError as error:
        raise ValueError(str(error)) from error
    return value


def _scorers(value: Any) -> Any:
    """Let one scorer stand for a list of it, and a tuple for a list."""
    return [value] if isinstance(value, str) or callable(value) else list(value) if isinstance(value, tuple) else value


def _options_of(kind: type[ProcessOptions]) -> AfterValidator:
    """Return a check that a mapping holds options of a kind."""

    def check(value: dict[str, Any] | None) -> dict[str, Any] | None:
        kind().with_changes(value or {})
        return value

    return AfterValidator(check)


def _stage(value: dict[str, Any]) -> dict[str, Any]:
    parse_stage(value)
    return value


def _guardrail(value: dict[str, Any]) -> dict[str, Any]:
    parse_guardrail(value)
    return value


def _switch(value: Any) -> Any:
    return {"enabled": value} if isinstance(value, bool) else value


def _every(value: Any) -> Any:
    if isinstance(value, bool):
        return {} if value else None
    return {"every": float(value)} if isinstance(value, int | float) else value


_ImportPath = Annotated[str, AfterValidator(_import_path)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class StrategyEntry(_Model):
    """A strategy: a built-in name, or an import path; with keyword arguments it is made with them."""

    use: str
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_strategy(self.use, self.with_)
        return self


class BindingEntry(_Model):
    """Where a parameter's value stands in the config."""

    path: str = ""
    override: bool = False


class EntryOptions(_Model):
    """How experiments are run: the keyword options of `spearmint.Spearmint`, as text."""

    configs: Annotated[list[Annotated[Any, AfterValidator(_source)]] | None, BeforeValidator(_list_of_sources)] = None
    strategy: Annotated[StrategyEntry | None, _named("use"), WrapValidator(_or_object)] = None
    bindings: Annotated[
        dict[Annotated[str, AfterValidator(_binding_key)], Annotated[BindingEntry, _named("path")] | None],
        BeforeValidator(_mapping),
    ] = Field(default_factory=dict)
    on_variant_error: Annotated[_ImportPath | None, WrapValidator(_or_object)] = None
    compare: Annotated[_ImportPath | None, WrapValidator(_or_object)] = None
    variant_timeout: PositiveFloat | None = None
    copy_args: bool = False
    combine: Literal["product", "one_at_a_time"] = "product"
    max_cases: PositiveInt | None = 1000
    tracing: Annotated[Any, AfterValidator(_tracing)] = None
    cache: bool = True
    metrics: Annotated[list[Annotated[_ImportPath, WrapValidator(_or_object)]] | None, BeforeValidator(_scorers)] = None
    enabled: bool = True
    stages: Annotated[list[Annotated[dict[str, Any], AfterValidator(_stage)]], BeforeValidator(_list)] = Field(
        default_factory=list
    )
    guardrails: Annotated[list[Annotated[dict[str, Any], AfterValidator(_guardrail)]], BeforeValidator(_list)] = Field(
        default_factory=list
    )

    @property
    def strategy_arguments(self) -> dict[str, Any]:
        """The keyword arguments that the strategy is made with, stages and guardrails of the entry included."""
        beside = {name: getattr(self, name) for name in STEERING if getattr(self, name)}
        return {**(self.strategy.with_ if isinstance(self.strategy, StrategyEntry) else {}), **beside}

    @property
    def given(self) -> dict[str, Any]:
        """The plain options that were written down, for `spearmint.Spearmint`."""
        plain = ("variant_timeout", "copy_args", "combine", "max_cases", "tracing", "cache")
        return {name: getattr(self, name) for name in plain if name in self.model_fields_set}


class PackageEntry(EntryOptions):
    """A package to be instrumented; with ``auto``, one whose functions become experiments without being named."""

    name: Annotated[str, AfterValidator(_package_name)]
    auto: Literal["named", "annotated"] | None = None
    exclude: Annotated[list[Annotated[str, AfterValidator(_target)]], BeforeValidator(_list)] = Field(
        default_factory=list
    )


class ExperimentEntry(EntryOptions):
    """A function that becomes an experiment, or several where its target has globs."""

    target: Annotated[str, AfterValidator(_target)]
    position: Literal["innermost", "outermost"] = "innermost"


class ValueEntry(EntryOptions):
    """A value that is varied where code reads it: a constant, a class attribute or a literal."""

    value: Annotated[str, AfterValidator(_value)]
    within: Annotated[list[Annotated[str, AfterValidator(_exact_target)]], BeforeValidator(_list_of_sources)] = Field(
        default_factory=list
    )
    path: str = ""
    original: bool = True


VALUE_TAG = "[value]"
TARGET_TAG = "[target]"
"""How pydantic tells, in the place of an error, which of the two kinds of experiments it is about."""


def _kind_of_experiment(entry: Any) -> str:
    given = entry if isinstance(entry, dict) else getattr(entry, "model_fields_set", ())
    return VALUE_TAG if "value" in given and "target" not in given else TARGET_TAG


_Experiment = Annotated[
    Annotated[ExperimentEntry, Tag(TARGET_TAG)] | Annotated[ValueEntry, Tag(VALUE_TAG)],
    Discriminator(_kind_of_experiment),
]


class ReloadEntry(_Model):
    """How often the files are looked at, so that what changes in them takes effect without a restart."""

    every: PositiveFloat = 1.0


class InstallSettings(_Model):
    """All that a settings file may say."""

    packages: Annotated[list[Annotated[PackageEntry, _named("name")]], BeforeValidator(_list)] = Field(
        default_factory=list
    )
    experiments: Annotated[list[_Experiment], BeforeValidator(_list)] = Field(default_factory=list)
    tracing: Annotated[dict[str, Any] | None, BeforeValidator(_switch), _options_of(TracingOptions)] = None
    background: Annotated[dict[str, Any], _options_of(PoolLimits)] | None = None
    online: Annotated[dict[str, Any] | None, _options_of(OnlineOptions)] = None
    reload: Annotated[ReloadEntry | None, BeforeValidator(_every)] = None
    metrics: Annotated[dict[str, Any] | None, BeforeValidator(_switch), _options_of(MetricsOptions)] = None
    propagate_children: bool = False
    propagate_threads: bool = False
    on_missed: Literal["warn", "error", "ignore"] = "warn"


def known_keys(place: tuple[Any, ...], *, is_value: bool = False) -> tuple[str, str]:
    """Return what the mapping at a place of the settings is called, and the keys that it may have.

    Args:
        place: The keys and indexes that lead to it.
        is_value: Whether the experiment there is a value.
    """
    model: type[BaseModel] = InstallSettings
    label = "the settings"
    for key in place:
        if key in _INNER:
            model, label = _INNER[key]
            if is_value and model is ExperimentEntry:
                model, label = ValueEntry, "a value"
    shared = EntryOptions.model_fields if issubclass(model, EntryOptions) else {}
    fields = sorted(model.model_fields.items(), key=lambda item: item[0] in shared)  # what is its own comes first
    return label, ", ".join(field.alias or name for name, field in fields)


_INNER: dict[Any, tuple[type[BaseModel], str]] = {
    "packages": (PackageEntry, "a package"),
    "experiments": (ExperimentEntry, "an experiment"),
    "strategy": (StrategyEntry, "a strategy"),
    "bindings": (BindingEntry, "a binding"),
    "reload": (ReloadEntry, "the watch of files"),
}


def suggestion(key: str, known: str) -> str:
    """Return a sentence that names what a key may have been meant to be; else nothing."""
    return did_you_mean(key, known.split(", "))

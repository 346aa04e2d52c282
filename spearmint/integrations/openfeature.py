"""OpenFeature both ways: flags resolved from experiments, and configs chosen by any provider."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEventDetails
from openfeature.exception import FlagNotFoundError, TargetingKeyMissingError, TypeMismatchError
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider import AbstractProvider, Metadata
from typing_extensions import override

from spearmint.config.model import Config
from spearmint.config.paths import look_up
from spearmint.errors import DeclarationError, StrategyError
from spearmint.online.outcomes import track
from spearmint.registry.changes import listeners
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.forced import forced_by_environment
from spearmint.registry.registry import registry
from spearmint.strategies.split import Assignment, Split, SplitStrategy
from spearmint.strategies.split_inputs import AssignmentStep, Weights, unit_text
from spearmint.strategies.split_inputs import Reason as SplitReason
from spearmint.warn import warn_once

_PROVIDER = "spearmint"
_SEPARATOR = "#"
_PLAIN = (bool, int, float, str)


class SpearmintProvider(AbstractProvider):
    """An OpenFeature provider whose flags are experiments.

    The key of a flag is the name of an experiment whose module has been imported, ``"shop.pages:button"``, for the
    whole config as an object; or ``"shop.pages:button#color"`` for what stands at a path in it. The targeting key is
    the unit; the context's attributes are those that targeting rules read. Resolving is no exposure: that is a call of
    the function. `track` records an outcome of the targeting key.

    The reason of a flag is ``SPLIT`` for a unit that takes part, ``DEFAULT`` for one that does not, ``DISABLED`` for
    what is switched off, ``STATIC`` where every unit gets the same, and ``TARGETING_MATCH`` where the attributes alone
    decide: by ``only_if`` with all weight on one config, or by a strategy of the program's own. Changes by
    `spearmint.reload` are told as PROVIDER_CONFIGURATION_CHANGED.
    """

    @override
    def initialize(self, evaluation_context: EvaluationContext) -> None:
        """Begin to tell of changes."""
        if self._changed not in listeners:
            listeners.append(self._changed)

    @override
    def shutdown(self) -> None:
        """Cease to tell of changes."""
        if self._changed in listeners:
            listeners.remove(self._changed)

    def _changed(self, names: Sequence[str]) -> None:
        self.emit_provider_configuration_changed(ProviderEventDetails(flags_changed=list(names)))

    @override
    def get_metadata(self) -> Metadata:
        """Return the provider's name."""
        return Metadata(name=_PROVIDER)

    @override
    def track(
        self,
        tracking_event_name: str,
        evaluation_context: EvaluationContext | None = None,
        tracking_event_details: Any = None,
    ) -> None:
        """Record an outcome of the targeting key; its value is 1 unless the details have one."""
        value = getattr(tracking_event_details, "value", None)
        attributes = dict(getattr(tracking_event_details, "attributes", None) or {})
        unit = evaluation_context.targeting_key if evaluation_context else None
        for name in ("name", "value", "unit", "token"):
            attributes.pop(name, None)
        track(tracking_event_name, 1.0 if value is None else value, unit=unit, **attributes)

    @override
    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        """Resolve a flag whose value is true or false."""
        return _resolved(flag_key, evaluation_context, lambda value: type(value) is bool)

    @override
    def resolve_string_details(
        self,
        flag_key: str,
        default_value: str,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[str]:
        """Resolve a flag whose value is text."""
        return _resolved(flag_key, evaluation_context, lambda value: isinstance(value, str))

    @override
    def resolve_integer_details(
        self,
        flag_key: str,
        default_value: int,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[int]:
        """Resolve a flag whose value is a whole number."""
        return _resolved(flag_key, evaluation_context, lambda value: type(value) is int)

    @override
    def resolve_float_details(
        self,
        flag_key: str,
        default_value: float,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[float]:
        """Resolve a flag whose value is a number."""
        found = _resolved(flag_key, evaluation_context, lambda value: type(value) in (int, float))
        found.value = float(found.value)
        return found

    @override
    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Any,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Any]:
        """Resolve a flag whose value is a mapping or a list, such as a whole config."""
        found = _resolved(flag_key, evaluation_context, lambda value: isinstance(value, Mapping | list | tuple))
        found.value = dict(found.value) if isinstance(found.value, Mapping) else list(found.value)
        return found


def _resolved(
    flag_key: str, context: EvaluationContext | None, is_wanted: Callable[[Any], bool]
) -> FlagResolutionDetails[Any]:
    name, _, path = flag_key.partition(_SEPARATOR)
    try:
        experiment = registry.get(name)
    except DeclarationError as error:
        raise FlagNotFoundError(str(error)) from error
    if not experiment.configs:
        raise FlagNotFoundError(f"Cannot resolve {name!r}: it has no configs.")
    config, reason = _choice(experiment, context)
    try:
        value = look_up(config, path) if path else config
    except KeyError as error:
        raise FlagNotFoundError(f"Cannot resolve {flag_key!r} under {config.config_id!r}: {error.args[0]}.") from error
    if not is_wanted(value):
        message = f"Cannot resolve {flag_key!r} so: under {config.config_id!r} it is a {type(value).__name__}."
        raise TypeMismatchError(message)
    split = experiment.split
    metadata = {} if split is None else {"feature_flag.version": split.version}
    return FlagResolutionDetails(value, reason=reason, variant=config.config_id, flag_metadata=metadata)


def _choice(experiment: ExperimentFunction, context: EvaluationContext | None) -> tuple[Config, Reason]:
    """Return the config that a call in a context would run under, as a copy, and why."""
    declared = experiment.declared
    attributes = dict(context.attributes) if context else {}
    if experiment.is_pinned:
        is_forced = forced_by_environment.id_of(experiment) is not None
        config, _ = declared.choose([*declared.configs], attributes)
        return _copy(experiment, config), Reason.STATIC if is_forced else Reason.DISABLED
    split = declared.split
    if split is None:
        if declared.takes_attributes:
            if context and context.targeting_key:
                attributes.setdefault("user_id", context.targeting_key)
            return _copy(experiment, declared.choose([*declared.configs], attributes)[0]), Reason.TARGETING_MATCH
        config, _ = declared.choose([*declared.configs])
        return _copy(experiment, config), Reason.STATIC if declared.is_constant else Reason.UNKNOWN
    unit = (context.targeting_key if context else None) or attributes.get(split.options.unit)
    if not unit_text(unit):
        raise TargetingKeyMissingError(f"Cannot resolve {experiment.name!r}: there is no targeting key.")
    assignment = split.assign({**attributes, split.options.unit: unit})
    decided = _is_by_attributes(split, assignment)
    return _copy(experiment, assignment.config), Reason.TARGETING_MATCH if decided else Reason(
        assignment.reason.upper()
    )


def _is_by_attributes(split: Split, assignment: Assignment) -> bool:
    """Tell whether a unit has its arm because its attributes match, and no bucket of it had a say."""
    options = split.options
    is_whole = split.live.traffic == 1 and not options.holdout and options.layer is None
    return assignment.reason == "split" and options.rule is not None and is_whole and assignment.propensity == 1


def _copy(experiment: ExperimentFunction, config: Config) -> Config:
    option = experiment.find_bound_config(config)
    return config if option is None else option.copy()


class OpenFeatureStrategy:
    """A flag of any OpenFeature provider chooses the config: the one whose id is the flag's variant, or its value.

    In a settings file: ``strategy: {use: openfeature, with: {flag: checkout}}``. The flag is a string flag. Where it
    cannot be resolved, or names no config, a call gets the first config and is no exposure.

    Args:
        flag: The key of the flag.
        domain: The domain of the OpenFeature client.
        unit: Name of the attribute that becomes the targeting key.
        weights: The shares that the provider is expected to give, for checks of the sample ratio; equal by default.
    """

    def __init__(
        self, flag: str, *, domain: str | None = None, unit: str = "user_id", weights: Weights | None = None
    ) -> None:
        self.flag = flag
        self.client = api.get_client(domain)
        self.options = SplitStrategy(unit=unit, weights=weights, salt=f"openfeature.{flag}")

    def for_experiment(self, name: str, configs: Sequence[Config]) -> "ProviderSplit":
        """Return the split of one experiment."""
        return ProviderSplit(self, name, configs)

    def __call__(self, configs: list[Config], attributes: Mapping[str, Any], /) -> tuple[Config, Sequence[Config]]:
        """Choose for an experiment of no name; an experiment asks `for_experiment` instead.

        Raises:
            StrategyError: If there are no configs.
        """
        if not configs:
            raise StrategyError("Cannot choose a config: there are none. Give the experiment configs=...")
        return self.for_experiment("", configs)(configs, attributes)


class ProviderSplit(Split):
    """The split of one experiment that a provider makes."""

    def __init__(self, strategy: OpenFeatureStrategy, name: str, configs: Sequence[Config]) -> None:
        super().__init__(strategy.options, name, configs)
        self._strategy = strategy
        self._places = {config.config_id: place for place, config in enumerate(configs)}

    @override
    def assign(self, attributes: Mapping[str, Any]) -> Assignment:
        """Return which arm the provider gives a call with these attributes."""
        if self.on_use is not None and (decided := self.on_use(self)) is not None:
            return decided
        unit = unit_text(attributes.get(self.options.unit))
        if not unit:
            return self.without_unit
        strategy = self._strategy
        told = {name: value for name, value in attributes.items() if isinstance(value, _PLAIN)}
        context = EvaluationContext(targeting_key=unit, attributes=told)
        details = strategy.client.get_string_details(strategy.flag, self.main_id, context)
        if details.error_code is not None:
            cause = f"{details.error_code.value}: {details.error_message}"
            warn_once(("openfeature", strategy.flag, details.error_code), _no_choice(strategy.flag, self.name, cause))
            return self.outside
        named = (one for one in (details.variant, details.value) if one in self._places)
        position = self._places.get(next(named, None) or "")
        if position is None:
            cause = f"{details.value!r} is no config of it"
            warn_once(("openfeature", strategy.flag, str(details.value)), _no_choice(strategy.flag, self.name, cause))
            return self.outside
        reason = cast("SplitReason", str(details.reason or Reason.UNKNOWN).lower())
        return self.arm(position, unit, reason, self.live)

    @override
    def explain(self, attributes: Mapping[str, Any]) -> list[AssignmentStep]:
        """Return what the provider says."""
        assignment = self.assign(attributes)
        told = f"flag {self._strategy.flag!r}: {assignment.config.config_id} ({assignment.reason})"
        return [AssignmentStep(told, goes_on=assignment.key is not None)]


def _no_choice(flag: str, name: str, cause: str) -> str:
    return (
        f"The flag {flag!r} chooses no config of {name}, which runs under its first one: {cause}. Have a string flag "
        "name the id of a config, as its variant or value."
    )

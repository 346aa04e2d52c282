"""The split: each unit, such as a user, belongs to one arm, the same on every machine and with every call."""

import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from spearmint.assignment.hashing import Algorithm, bucket, hash_of, unit_hash
from spearmint.assignment.layers import Layer, parse_layer
from spearmint.assignment.shares import arm_of, check_weights, upper_ends
from spearmint.assignment.stages import Guardrail, Stage, parse_guardrails, parse_stages
from spearmint.assignment.targeting import TargetingRule, compile_rules
from spearmint.config.model import Config
from spearmint.errors import ConfigError, StrategyError
from spearmint.strategies.split_inputs import (
    AssignmentStep,
    BanditOptions,
    LiveShares,
    Reason,
    Weights,
    bad_option,
    config_content,
    unit_text,
    weights_of,
    with_arms,
)

_NO_ATTRIBUTES: Mapping[str, Any] = {}
_MOST_KEPT = 20_000  # units whose assignment is kept, so that it need not be computed again


@dataclass(slots=True, eq=False)  # Not frozen, which would have a new unit's caller wait twice as long for one.
class Assignment:
    """Which arm a call belongs to.

    Attributes:
        split: Who says so.
        config: The arm's config; the first one for a unit that takes no part.
        unit: The unit; None where it takes no part.
        reason: ``"split"``, or ``"default"`` for a unit that takes no part; or what another provider says.
        propensity: The arm's share among the units that take part; 0 for a unit that takes no part.
        key: What is the same for all calls of this unit under this arm and this version; None where it takes no part.
    """

    split: "Split"
    config: Config
    unit: str | None
    reason: Reason
    propensity: float = 0.0
    key: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class SplitStrategy:
    """Each unit belongs to one arm: the config that its bucket falls to. The first config is for all others.

    A unit is read from the attributes of the `spearmint.context.RuntimeContext` around the call. It takes part if
    ``only_if`` holds for the attributes, if it is in the range of ``layer``, not in the ``holdout``, and in the
    ``traffic``. Else it gets the first config, and is exposed to nothing. Each of these questions
    has a bucket of its own, so that more traffic moves no unit from one arm to another.

    Args:
        unit: Name of the attribute that says who is assigned. Its value is a text, an int or a UUID.
        weights: One for each config, in their order, or a mapping from config ids, where a config that is not named
            gets no unit. They may add up to anything. Equal by default.
        traffic: Share of the units, from 0 to 1, that take part.
        salt: What the buckets depend on beside the unit; the experiment's name by default. Two experiments with the
            same salt assign the same units alike.
        algorithm: How a unit becomes a bucket, as for `spearmint.online.bucket`. With another one than ``"blake2b"``,
            the arm depends on the salt as given, so that assignments equal those of the product it comes from.
        shadow: Share of the calls, from 0 to 1, on which the other arms run beside the caller's, as variants. A call
            that ``only_if`` excludes has none.
        only_if: Rules over the attributes, as `spearmint.assignment.targeting.compile_rules` says what they are.
        layer: ``"checkout[0:0.5]"``: experiments of one layer run on disjoint ranges of its units.
        holdout: Share of the units, from 0 to 1, that are kept out.
        stages: In place of ``traffic`` and ``shadow``: a list of mappings with ``traffic``, ``shadow``, ``for``,
            ``units`` and ``approve``, each in force until what it names is reached.
        guardrails: A list of mappings with ``metric``, ``worse_by`` and ``lower``. An arm that is worse for sure rolls
            the experiment back to the first config.

    Raises:
        StrategyError: If an argument is none of these.
    """

    unit: str = "user_id"
    weights: Weights | None = None
    traffic: float = 1.0
    salt: str | None = None
    algorithm: Algorithm = "blake2b"
    shadow: float = 0.0
    only_if: Mapping[str, Any] | None = None
    layer: str | None = None
    holdout: float = 0.0
    stages: Sequence[Mapping[str, Any]] | None = None
    guardrails: Sequence[Mapping[str, Any]] | None = None
    bandit: BanditOptions | None = field(init=False, repr=False, compare=False, default=None)
    steps: tuple[Stage, ...] = field(init=False, repr=False, compare=False, default=())
    guards: tuple[Guardrail, ...] = field(init=False, repr=False, compare=False, default=())
    rule: TargetingRule | None = field(init=False, repr=False, compare=False, default=None)
    layer_range: Layer | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if not isinstance(self.unit, str) or not self.unit:
            raise bad_option("unit", self.unit, "the name of an attribute, such as 'user_id'")
        if self.salt is not None and not isinstance(self.salt, str):
            raise bad_option("salt", self.salt, "a text, or None for the experiment's name")
        for name in ("traffic", "shadow", "holdout"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
                raise bad_option(name, value, "a share from 0 to 1")
        if self.weights is not None and not isinstance(self.weights, Mapping | list | tuple):
            raise bad_option("weights", self.weights, "a list in the order of the configs, or a mapping from their ids")
        self._compile()
        if self.steps and (self.traffic != 1 or self.shadow):
            name = "shadow" if self.shadow else "traffic"
            raise bad_option(name, getattr(self, name), "it in the stages, each of which has its own")

    def _compile(self) -> None:
        try:
            hash_of(self.algorithm)
            if self.weights is not None:
                check_weights(list(self.weights.values() if isinstance(self.weights, Mapping) else self.weights))
            if self.only_if is not None:
                object.__setattr__(self, "rule", compile_rules(self.only_if))
            if self.layer is not None:
                object.__setattr__(self, "layer_range", parse_layer(self.layer))
            object.__setattr__(self, "steps", parse_stages(self.stages or ()))
            object.__setattr__(self, "guards", parse_guardrails(self.guardrails or ()))
        except ConfigError as error:
            raise StrategyError(f"Cannot split: {error}") from error

    def for_experiment(self, name: str, configs: Sequence[Config]) -> "Split":
        """Return the split of one experiment.

        Args:
            name: The experiment's name.
            configs: Its configs, at least one; strategies are given just these objects.

        Raises:
            StrategyError: If the weights do not fit the configs.
        """
        return Split(self, name, configs)

    def __call__(
        self, configs: list[Config], attributes: Mapping[str, Any] = _NO_ATTRIBUTES, /
    ) -> tuple[Config, Sequence[Config]]:
        """Choose as the split of an experiment of no name does; an experiment asks `for_experiment` instead.

        Raises:
            StrategyError: If there is no salt.
        """
        if self.salt is None:
            raise StrategyError("Cannot split outside an experiment: its name is the salt. Give salt='...'.")
        return self.for_experiment("", configs)(configs, attributes)


class Split:
    """The split of one experiment: what `SplitStrategy` says, compiled for its configs.

    Attributes:
        options: What was declared.
        name: The experiment's name.
        main_id: The id of the first config.
        salt: What the buckets depend on beside the unit.
        set_id: The settings file that declares it; None where code does.
        live: The shares that are in force.
        shadow: The share of the calls on which the other arms run beside.
        off: Why it is switched off in all processes; empty where it is on.
        on_use: Called by each call, where something has to be told that there are calls, or it is off; what it
            returns, if not None, is what the call belongs to.
    """

    set_id: str | None = None
    off: str = ""
    on_use: "Callable[[Split], Assignment | None] | None" = None

    def __init__(self, options: SplitStrategy, name: str, configs: Sequence[Config]) -> None:
        self.options = options
        self.name = name
        self.salt = name if options.salt is None else options.salt
        self._configs = tuple(configs)
        ids = [config.config_id for config in configs]
        self.main_id = ids[0]
        self.weights = weights_of(options.weights, ids, name)
        self._ends = upper_ends(self.weights, options.algorithm)
        self._arm_salt = f"{self.salt}.split" if options.algorithm == "blake2b" else self.salt
        self._hash = unit_hash(options.algorithm, self._arm_salt)
        self._unit, self._rule, self._is_narrowed = options.unit, options.rule, bool(options.layer or options.holdout)
        self.shadow = options.shadow
        self.live = with_arms(self, LiveShares(options.traffic, self.weights, self._ends, ()), self._configs)
        if options.steps:  # Whether they have been rolled back is not known yet.
            self.set_shares(0.0, 0.0, note="its stages are not read yet")
        self.without_unit, self.excluded, self.outside = (
            Assignment(self, configs[0], None, "default") for _ in range(3)
        )
        self.disabled = Assignment(self, configs[0], None, "disabled")

    @cached_property
    def version(self) -> str:
        """Configs, weights, salt, algorithm, unit and targeting as a hash, without what may change as it runs."""
        options = self.options
        configs = [(config.config_id, config_content(config)) for config in self._configs]
        told = (configs, self._ends, self.salt, options.algorithm, options.unit, options.only_if)
        return hashlib.sha256(json.dumps(told, sort_keys=True, default=repr).encode()).hexdigest()[:16]

    @property
    def is_steered(self) -> bool:
        """Whether what the journal says changes its shares as it runs."""
        return bool(self.options.steps or self.options.guards or self.options.bandit)

    @property
    def arms(self) -> tuple[str, ...]:
        """The ids of the configs, in their order."""
        return tuple(config.config_id for config in self._configs)

    def set_shares(
        self, traffic: float, shadow: float, weights: tuple[float, ...] | None = None, *, note: str = "", since: int = 0
    ) -> None:
        """Let other shares be in force for calls that begin from now on.

        Args:
            traffic: Share of the units that take part.
            shadow: Share of the calls on which the other arms run beside.
            weights: One for each arm; None for those that were declared.
            note: Why they are not those that were declared.
            since: When the experiment was begun anew, in ns.
        """
        weights = self.weights if weights is None else weights
        ends = upper_ends(weights, self.options.algorithm)
        self.live = with_arms(self, LiveShares(traffic, weights, ends, (), note, since), self._configs)
        self.shadow = shadow

    def assign(self, attributes: Mapping[str, Any]) -> Assignment:
        """Return which arm a call with these attributes belongs to; the same for the same unit under equal shares."""
        if self.on_use is not None and (decided := self.on_use(self)) is not None:
            return decided
        unit = attributes.get(self._unit)
        if type(unit) is not str:
            unit = unit_text(unit)
        if not unit:
            return self.without_unit
        if self._rule is not None and not self._rule.holds(attributes):
            return self.excluded
        live = self.live
        return live.kept.get(unit) or self._assign(unit, live)

    def _assign(self, unit: str, live: LiveShares) -> Assignment:
        if (self._is_narrowed or live.traffic < 1) and self._failed_step(unit, live):
            made = self.outside
        else:  # As `arm`, whose call a new unit's caller would wait for.
            arm = live.arms[arm_of(self._hash(unit), live.ends)]
            made = Assignment(self, arm.config, unit, "split", arm.propensity, (arm.key, unit))
        if len(live.kept) >= _MOST_KEPT:
            live.kept.clear()
        live.kept[unit] = made
        return made

    def arm(self, position: int, unit: str, reason: Reason, live: LiveShares) -> Assignment:
        """Return that a unit belongs to the arm of one of the configs."""
        arm = live.arms[position]
        return Assignment(self, arm.config, unit, reason, arm.propensity, (arm.key, unit))

    def _failed_step(self, unit: str, live: LiveShares) -> str:
        """Return why a unit takes no part, whatever the attributes are; empty where it does."""
        options, layer = self.options, self.options.layer_range
        if layer is not None and not layer.holds(unit):
            return f"layer {layer}: its bucket is {bucket(unit, f'layer.{layer.name}'):.6f}"
        if options.holdout and (number := bucket(unit, f"{self.salt}.holdout")) < options.holdout:
            return f"holdout {options.holdout:g}: its bucket is {number:.6f}, and it is kept out"
        if live.traffic < 1 and (number := bucket(unit, f"{self.salt}.traffic")) >= live.traffic:
            told = f" ({live.note})" if live.note else ""
            return f"traffic {live.traffic:g}{told}: its bucket is {number:.6f}"
        return ""

    def others(self, assignment: Assignment) -> tuple[Config, ...]:
        """Return the arms that run beside that of a call, sampled anew with each call."""
        # Sampling calls for statistics, not secrets.
        has_none = not self.shadow or assignment in (self.excluded, self.disabled)
        if has_none or random.random() >= self.shadow:  # noqa: S311
            return ()
        return tuple(config for config in self._configs if config is not assignment.config)

    def __call__(
        self,
        configs: list[Config],  # noqa: ARG002 - it was made for just these
        attributes: Mapping[str, Any] = _NO_ATTRIBUTES,
        /,
    ) -> tuple[Config, Sequence[Config]]:
        """Return the config of the arm that the call belongs to, and those that run beside it."""
        assignment = self.assign(attributes)
        return assignment.config, self.others(assignment)

    def explain(self, attributes: Mapping[str, Any]) -> list[AssignmentStep]:
        """Return step by step why a call with these attributes gets the config that it gets."""
        if self.off:
            return [AssignmentStep(f"switched off in all processes: {self.off}", goes_on=False)]
        unit = unit_text(attributes.get(self._unit))
        if not unit:
            return [AssignmentStep(f"unit: the attribute {self._unit!r} names none", goes_on=False)]
        steps = [AssignmentStep(f"unit {self._unit} = {unit}", goes_on=True)]
        if self._rule is not None:
            holds = self._rule.holds(attributes)
            told = "it holds" if holds else self._rule.failure(attributes)
            steps.append(AssignmentStep(f"only_if: {told}", goes_on=holds))
            if not holds:
                return steps
        live = self.live
        if failed := self._failed_step(unit, live):
            return [*steps, AssignmentStep(failed, goes_on=False)]
        told = f" ({live.note})" if live.note else ""
        steps.append(AssignmentStep(f"traffic {live.traffic:g}{told}: it takes part", goes_on=True))
        number = self._hash(unit)
        position = arm_of(number, live.ends)
        lower = live.ends[position - 1] if position else 0.0
        place = f"{number:.6f} is in [{lower:g}, {live.ends[position]:g}), of {self._configs[position].config_id}"
        text = f"arm: bucket by {self.options.algorithm} under {self._arm_salt!r} {place}"
        return [*steps, AssignmentStep(text, goes_on=True)]

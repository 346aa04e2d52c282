"""A rollout: at which stage an experiment is, and how it came there. Values only; each change makes a new one."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from time import time_ns
from typing import Any, Literal, Self

from spearmint.assignment.stages import Stage

RolloutStatus = Literal["running", "completed", "rolled_back"]

_STATUSES = ("running", "completed", "rolled_back")
_MOST_EVENTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """Where one version of an experiment is on its way to all units.

    Attributes:
        name: The experiment's name.
        version: What its configs, weights, salt and targeting are, as a hash.
        arms: The ids of its configs.
        stages: Its stages; of an experiment without any, one that stays.
        stage: The position of the one that it is at.
        status: ``"running"``, ``"completed"`` once the last stage has ended, or ``"rolled_back"``.
        reason: Why it was rolled back.
        since: From when on its records count, in ns.
        elapsed: How many seconds the stage has lasted, by clocks that do not step.
        keeper: The process that counted them last.
        counted: When it did, in ns, by the wall clock.
        units: How many units it has exposed so far.
        units_before: How many it had when the stage began.
        is_approved: Whether a person has approved of the stage's end.
        waits_for: What the stage waits for, for people.
        weights: What a bandit has made of the weights; None for those that were declared.
        weights_version: How often it has.
        number: How many rollouts of other versions had begun before.
        events: What happened when, oldest first, as pairs of ns and text.
    """

    name: str
    version: str
    arms: tuple[str, ...]
    stages: tuple[Stage, ...]
    stage: int = 0
    status: RolloutStatus = "running"
    reason: str = ""
    since: int = 0
    elapsed: float = 0.0
    keeper: str = ""
    counted: int = 0
    units: int = 0
    units_before: int = 0
    is_approved: bool = False
    waits_for: str = ""
    weights: tuple[float, ...] | None = None
    weights_version: int = 0
    number: int = 0
    events: tuple[tuple[int, str], ...] = ()

    @property
    def current(self) -> Stage:
        """The stage that it is at."""
        return self.stages[self.stage]

    @property
    def shares(self) -> tuple[float, float]:
        """The traffic and the shadow that are in force."""
        return (0.0, 0.0) if self.status == "rolled_back" else (self.current.traffic, self.current.shadow)

    @property
    def label(self) -> str:
        """Where it is, in a few words."""
        if self.status == "rolled_back":
            return f"rolled back: {self.reason}"
        if len(self.stages) == 1:
            return ""
        return f"stage {self.stage + 1} of {len(self.stages)}{', completed' if self.status == 'completed' else ''}"

    def told(self, text: str) -> Self:
        """Return it with one more event."""
        return replace(self, events=(*self.events, (time_ns(), text))[-_MOST_EVENTS:])

    def with_stages(self, stages: tuple[Stage, ...]) -> Self:
        """Return it with other stages, at the same one, or at the last where there are fewer."""
        if stages == self.stages:
            return self
        stage = min(self.stage, len(stages) - 1)
        goes_on = self.status == "completed" and stage < len(stages) - 1
        status: RolloutStatus = "running" if goes_on else self.status
        return replace(self, stages=stages, stage=stage, status=status).told("its stages are others now")

    def advanced(self, why: str) -> Self:
        """Return it at the next stage, or completed where there is none; one that is not running stays as it is."""
        if self.status != "running":
            return self
        fresh = replace(
            self,
            elapsed=0.0,
            keeper="",
            counted=time_ns(),
            units_before=self.units,
            is_approved=False,
            waits_for="",
        )
        if self.stage == len(self.stages) - 1:
            return replace(fresh, status="completed").told(f"completed: {why}")
        made = replace(fresh, stage=self.stage + 1)
        return made.told(f"stage {made.stage + 1} of {len(self.stages)} began, {made.current}: {why}")

    def approved(self) -> Self:
        """Return it with a person's approval of the end of its stage."""
        is_news = self.status == "running" and not self.is_approved
        return replace(self, is_approved=True).told(f"stage {self.stage + 1} approved") if is_news else self

    def rolled_back(self, why: str) -> Self:
        """Return it taken back to the first config for all units."""
        if self.status == "rolled_back":
            return self
        return replace(self, status="rolled_back", reason=why, waits_for="").told(f"rolled back: {why}")

    def weighed(self, weights: tuple[float, ...]) -> Self:
        """Return it with other weights of a bandit; the same for equal ones, and where it was rolled back."""
        if weights == self.weights or self.status == "rolled_back":
            return self
        return replace(self, weights=weights, weights_version=self.weights_version + 1)

    def restarted(self) -> Self:
        """Return it at its first stage; nothing that was recorded before counts any more."""
        made = Rollout(
            name=self.name,
            version=self.version,
            arms=self.arms,
            stages=self.stages,
            since=time_ns(),
            counted=time_ns(),
            weights_version=self.weights_version,
            number=self.number,
            events=self.events,
        )
        return replace(self, **{one.name: getattr(made, one.name) for one in fields(made)}).told("began anew")

    def clocked(self, keeper: str, seconds: float) -> Self:
        """Return it with time gone by.

        Args:
            keeper: The process that says so.
            seconds: How long it was, by that process's monotonic clock, since it said so last; where another process
                did so last, the wall clock tells, unless it has been set back.
        """
        now = time_ns()
        gone = seconds if keeper == self.keeper else max(0, now - self.counted) / 1e9
        return replace(self, elapsed=self.elapsed + gone, keeper=keeper, counted=now)

    def rested(self) -> Self:
        """Return it with no time gone by until now since its time was counted last."""
        return replace(self, keeper="", counted=time_ns())

    def as_mapping(self) -> dict[str, Any]:
        """Return it as the state file has it."""
        made = {one.name: getattr(self, one.name) for one in fields(self)}
        return {**made, "stages": [asdict(stage) for stage in self.stages]}


def read_rollout(given: Any) -> Rollout:
    """Return the rollout that a mapping of the state file says.

    Raises:
        ValueError: If it says none.
    """
    known = {one.name for one in fields(Rollout)}
    if not isinstance(given, Mapping):
        raise ValueError(f"{given!r:.80} is no mapping")  # noqa: TRY004 - it is what a file says
    try:
        values = {key: value for key, value in given.items() if key in known}
        values["stages"] = tuple(Stage(**stage) for stage in given["stages"])
        values["arms"] = tuple(map(str, given["arms"]))
        values["weights"] = None if given["weights"] is None else tuple(map(float, given["weights"]))
        values["events"] = tuple((int(when), str(text)) for when, text in given["events"])
        made = Rollout(**values)
        is_whole = made.status in _STATUSES and 0 <= made.stage < len(made.stages)
    except (KeyError, TypeError) as error:
        raise ValueError(f"it holds no rollout ({error})") from error
    if not is_whole:
        raise ValueError(f"it holds no rollout (stage {made.stage!r}, {made.status!r})")
    return made

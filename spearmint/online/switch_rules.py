"""Which experiments are off in all processes of a journal, as the state file has it: the last rule counts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from time import time_ns
from typing import Any


@dataclass(frozen=True, slots=True)
class SwitchRule:
    """One decision of a person.

    Attributes:
        target: The name of an experiment, or a glob.
        is_on: Whether experiments of that name are on.
        time: When it was made, in ns.
        why: The reason.
    """

    target: str
    is_on: bool
    time: int
    why: str

    def covers(self, name: str) -> bool:
        """Tell whether it is about an experiment of that name."""
        return name == self.target or fnmatchcase(name, self.target)

    def as_mapping(self) -> dict[str, Any]:
        """Return it as the state file has it."""
        return asdict(self)


def off_rule(rules: Sequence[SwitchRule], name: str) -> SwitchRule | None:
    """Return the rule by which an experiment is off; None where it is on."""
    last = next((rule for rule in reversed(rules) if rule.covers(name)), None)
    return None if last is None or last.is_on else last


def with_rule(rules: Sequence[SwitchRule], target: str, *, is_on: bool, why: str) -> tuple[SwitchRule, ...]:
    """Return rules with one more, without those that it makes idle."""
    kept = [rule for rule in rules if not (rule.target == target or fnmatchcase(rule.target, target))]
    if is_on and all(rule.is_on for rule in kept):
        return ()
    return (*kept, SwitchRule(target, is_on, time_ns(), why))


def read_rule(given: Any) -> SwitchRule:
    """Return the rule that a mapping of the state file says.

    Raises:
        ValueError: If it says none.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"{given!r:.80} is no mapping")  # noqa: TRY004 - it is what a file says
    target, is_on, time, why = (given.get(name) for name in ("target", "is_on", "time", "why"))
    if not isinstance(target, str) or not isinstance(is_on, bool) or not isinstance(time, int):
        raise ValueError(f"{dict(given)!r:.80} is no switch")  # noqa: TRY004 - as above
    return SwitchRule(target, is_on, time, str(why or ""))

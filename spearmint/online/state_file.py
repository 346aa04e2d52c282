"""The state file: at which stage each experiment is, in one file beside the journal that all processes share."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from spearmint.errors import SpearmintError
from spearmint.online.file_lock import FileLock
from spearmint.online.rollout import Rollout, read_rollout
from spearmint.online.switch_rules import SwitchRule, read_rule, with_rule

RolloutKey = tuple[str, str]
"""Name and version of an experiment."""

Rollouts = Mapping[RolloutKey, Rollout]

STATE_NAME = "state.json"
_FORMAT = 1
_MOST_VERSIONS = 20  # of one experiment that are kept


@dataclass(frozen=True, slots=True)
class SharedState:
    """What a state file says.

    Attributes:
        rollouts: Where experiments with stages, guardrails or a bandit are.
        switches: Which experiments are off.
    """

    rollouts: Rollouts = field(default_factory=dict)
    switches: tuple[SwitchRule, ...] = ()


class StateFile:
    """The state file of a journal. It is replaced as a whole, under a lock, so that a kill leaves the old or the new.

    Args:
        folder: The journal.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.path = Path(folder).absolute() / STATE_NAME

    def read(self) -> Rollouts:
        """Return where experiments are; nothing where there is no file yet.

        Raises:
            SpearmintError: If it cannot be read, or holds something else.
        """
        return self.read_state().rollouts

    def read_state(self) -> SharedState:
        """Return all that it says.

        Raises:
            SpearmintError: If it cannot be read, or holds something else.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return SharedState()
        except OSError as error:
            message = f"Cannot read the state of stages from {str(self.path)!r}: {error.strerror or error}."
            raise SpearmintError(f"{message} Let this user read it.") from error
        try:
            found = json.loads(data)
            if found["format"] != _FORMAT:
                raise ValueError(f"its format is {found['format']!r}")  # noqa: TRY301 - as all that is wrong with it
            rollouts = [read_rollout(one) for one in found["rollouts"]]
            switches = tuple(read_rule(one) for one in found.get("switches", ()))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            message = f"Cannot read the state of stages from {str(self.path)!r}: {error!r:.200}."
            raise SpearmintError(f"{message} Mend it, or move it away, and all stages begin anew.") from error
        return SharedState({(one.name, one.version): one for one in rollouts}, switches)

    def change(self, edit: Callable[[Rollouts], Rollouts]) -> Rollouts:
        """Let a function make the new rollouts of the old ones, while no other process changes them.

        Args:
            edit: Given what the file says, returns what it is to say; the same object for no change.

        Returns:
            What it says now.

        Raises:
            SpearmintError: If it cannot be read or written.
        """

        def edited(before: SharedState) -> SharedState:
            after = edit(before.rollouts)
            return before if after is before.rollouts else replace(before, rollouts=after)

        return self._change(edited).rollouts

    def switch(self, target: str, *, is_on: bool, why: str) -> None:
        """Switch experiments off, or on again, in all processes that share the file.

        Args:
            target: The name of an experiment, or a glob.
            is_on: Whether they are on from now on.
            why: The reason, which is kept.

        Raises:
            SpearmintError: If it cannot be read or written.
        """

        def edited(before: SharedState) -> SharedState:
            rules = with_rule(before.switches, target, is_on=is_on, why=why)
            # The time that they were off is no time of their stage.
            rested = {key: one.rested() if is_on and covers(one.name) else one for key, one in before.rollouts.items()}
            return SharedState(rested, rules)

        covers = SwitchRule(target, is_on, 0, why).covers
        self._change(edited)

    def _change(self, edit: Callable[[SharedState], SharedState]) -> SharedState:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_suffix(".lock")):
                before = self.read_state()
                after = edit(before)
                if after is not before and after != before:
                    self._write(after)
                return after
        except OSError as error:
            message = f"Cannot write the state of stages to {str(self.path)!r}: {error.strerror or error}."
            raise SpearmintError(f"{message} Let this user write to that folder.") from error

    def _write(self, state: SharedState) -> None:
        kept = sorted(state.rollouts.values(), key=lambda one: one.number)
        names = [one.name for one in kept]
        latest = [one for place, one in enumerate(kept) if names[place:].count(one.name) <= _MOST_VERSIONS]
        told = {
            "format": _FORMAT,
            "rollouts": [one.as_mapping() for one in latest],
            "switches": [one.as_mapping() for one in state.switches],
        }
        aside = self.path.with_suffix(".new")  # One name, so that what a kill leaves is written over.
        with aside.open("w", encoding="utf-8") as file:
            file.write(json.dumps(told, indent=1))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.path)


def latest_rollout(rollouts: Rollouts, name: str) -> Rollout | None:
    """Return the rollout of the version of an experiment that began last; None where there is none."""
    found = [one for one in rollouts.values() if one.name == name]
    return max(found, key=lambda one: one.number, default=None)

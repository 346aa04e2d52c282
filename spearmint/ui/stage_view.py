"""Stages and the kill switch on the page: where an experiment is, and what a person may decide about it there."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from glob import escape
from pathlib import Path
from typing import Any

from spearmint.errors import SpearmintError
from spearmint.online.rollout import Rollout
from spearmint.online.state_file import Rollouts, StateFile, latest_rollout
from spearmint.online.switch_rules import off_rule
from spearmint.suggest import did_you_mean

_SHOWN_EVENTS = 8
_SWITCHES = ("off", "on")
_EDITS: dict[str, Callable[[Rollout], Rollout]] = {
    "approve": lambda rollout: rollout.approved(),
    "next": lambda rollout: rollout.advanced("ended by hand, on the page"),
    "rollback": lambda rollout: rollout.rolled_back("by hand, on the page"),
}


class StageView:
    """The state files of journals.

    Args:
        journals: What is shown; the folders among it may have a state file.
    """

    def __init__(self, journals: Sequence[str]) -> None:
        self._files = [StateFile(journal) for journal in journals if Path(journal).is_dir()]

    def stages(self, name: str) -> dict[str, Any] | None:
        """Return what the page shows of an experiment's stages; None where it has none.

        Raises:
            SpearmintError: If a state file cannot be read.
        """
        for file in self._files:
            found = latest_rollout(file.read(), name)
            if found is not None:
                return _shown(found)
        return None

    def switch(self, name: str) -> dict[str, Any] | None:
        """Return whether an experiment is off, with the action that changes it; None where no state is kept.

        Raises:
            SpearmintError: If a state file cannot be read.
        """
        if not self._files:
            return None
        rules = [off_rule(file.read_state().switches, name) for file in self._files]
        off = next(filter(None, rules), None)
        if off is None:
            return {"off": "", "label": "on", "action": "off", "text": "Switch off in all processes"}
        told = f"off since {_when(off.time)}: {off.why}"
        return {"off": told, "label": str(off.time), "action": "on", "text": "Switch on again"}

    def label(self, name: str) -> str:
        """Return where an experiment is in a few words, without the reason; empty where it is on and has no stages."""
        try:
            stages, switch = self.stages(name), self.switch(name)
        except SpearmintError:  # The experiment's own page says why.
            return "unknown"
        if switch is not None and switch["off"]:
            return "switched off"
        return "" if stages is None else str(stages["label"]).partition(":")[0]

    def decide(self, name: str, action: str, label: str) -> None:
        """Approve of the end of a stage, end it, take the experiment back, or switch it off or on.

        A roll-back is of all versions, all else of the one that began last, as `spearmint stage` has it.

        Args:
            name: The experiment.
            action: What to do.
            label: Where the experiment was on the page that was decided on; from elsewhere it may be rolled back or
                switched off only.

        Raises:
            SpearmintError: If there is no such action or experiment, the experiment is elsewhere by now, or a state
                file cannot be written.
        """
        if action in _SWITCHES:
            self._switch(name, label, is_on=action == "on")
            return
        if action not in _EDITS:
            known = (*_EDITS, *_SWITCHES)
            raise SpearmintError(f"Cannot do {action!r}: there are {', '.join(known)}.{did_you_mean(action, known)}")
        for file in self._files:
            if latest_rollout(file.read(), name) is not None:
                file.change(lambda before: _edited(before, name, action, label))
                return
        raise SpearmintError(f"Cannot {action} {name!r}: it has no stages, guardrails or bandit.")

    def _switch(self, name: str, label: str, *, is_on: bool) -> None:
        """Switch an experiment in all journals that are shown: its processes may write to any of them."""
        now = self.switch(name)
        if not name or now is None:
            raise SpearmintError(f"Cannot switch {name!r}: no folder of a journal is shown, where a state is kept.")
        if is_on and now["label"] != label:  # as of a tab from before
            raise SpearmintError(f"Cannot switch {name!r} on: it is {now['off'] or 'on'} by now. Look again.")
        for file in self._files:
            file.switch(escape(name), is_on=is_on, why="by hand, on the page")


def _edited(before: Rollouts, name: str, action: str, label: str) -> Rollouts:
    latest = latest_rollout(before, name)
    if latest is not None and action != "rollback" and _label(latest) != label:  # as of a second click
        raise SpearmintError(f"Cannot {action} {name!r} at {label!r}: it is at {_label(latest)} by now. Look again.")
    return {
        key: _EDITS[action](one) if one.name == name and (action == "rollback" or one is latest) else one
        for key, one in before.items()
    }


def _label(rollout: Rollout) -> str:
    return rollout.label or rollout.status.replace("_", " ")


def _shown(rollout: Rollout) -> dict[str, Any]:
    is_back = rollout.status == "rolled_back"
    actions = []
    if rollout.status == "running" and len(rollout.stages) > 1:
        if rollout.current.approve and not rollout.is_approved:
            actions.append(("approve", "Approve"))
        actions.append(("next", "End this stage"))
    if not is_back:
        actions.append(("rollback", "Roll back: first config for all"))
    return {
        "label": _label(rollout),
        "stages": [
            (str(stage), position == rollout.stage and not is_back) for position, stage in enumerate(rollout.stages)
        ],
        "waits_for": rollout.waits_for,
        "actions": actions,
        "events": [(_when(when), text) for when, text in rollout.events[-_SHOWN_EVENTS:]],
    }


def _when(time: int) -> str:
    return datetime.fromtimestamp(time / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

"""The one process that decides: it reads what the journal has more, and says what becomes of each rollout."""

import os
from collections.abc import Mapping
from dataclasses import replace
from time import monotonic, time_ns

import numpy as np

from spearmint.online.bandit_weights import bandit_weights
from spearmint.online.decisions import breach, decided
from spearmint.online.journal_tail import JournalTail
from spearmint.online.rollout import Rollout
from spearmint.online.state_file import RolloutKey, Rollouts, StateFile
from spearmint.online.unit_table import UnitTable
from spearmint.strategies.split import Split

_CHECKPOINT = 10.0  # seconds after which the time that has gone by is written down
_DUTY = 20  # How many times as long as a look at guardrails took it is until the next one.

Splits = Mapping[RolloutKey, Split]


class Decider:
    """What the keeper knows of the journal, and what it makes of that.

    Args:
        file: The state file.
    """

    def __init__(self, file: StateFile) -> None:
        self._file = file
        self._tail = JournalTail(file.path.parent)
        self._tables: dict[RolloutKey, UnitTable] = {}
        self._since: dict[RolloutKey, int] = {}
        self._name = f"{os.getpid()}-{time_ns():x}{os.urandom(2).hex()}"
        self._looked = -1e9
        self._weighed: dict[RolloutKey, float] = {}
        self._cost = 0.0
        self._written = monotonic()
        self._breaches: dict[RolloutKey, str] = {}
        self._is_news = True
        self._rng = np.random.default_rng()

    def decide(self, splits: Splits, rollouts: Rollouts) -> Rollouts:
        """Read what the journal has more, and return the rollouts as they are from now on.

        Args:
            splits: The splits of this process, by name and version.
            rollouts: What the state file says.
        """
        known = {key: split for key, split in splits.items() if key in rollouts}
        self._read(known, rollouts)
        if not self._tail.is_at_end:
            return rollouts
        now = monotonic()
        self._look_at_guards(known, rollouts, now)
        weights = self._new_weights(known, rollouts, now)
        gone = now - self._written

        def edited(before: Rollouts) -> Rollouts:
            after = dict(before)
            for key, split in known.items():
                rollout = before[key].clocked(self._name, gone)
                made = decided(rollout, self._tables[key], split.options, self._breaches.get(key, ""))
                made = made.weighed(weights[key]) if key in weights else made
                after[key] = replace(made, keeper=self._name)  # Of a new stage, too.
            return after

        tried = edited(rollouts)
        if gone < _CHECKPOINT and all(_is_same(rollouts[key], tried[key]) for key in known):
            return rollouts
        made = self._file.change(lambda before: edited(before) if known.keys() <= before.keys() else before)
        self._written = now
        return made

    def _read(self, splits: Splits, rollouts: Rollouts) -> None:
        is_new = any(key not in self._tables or self._since[key] != rollouts[key].since for key in splits)
        if is_new:  # From the beginning: what there was of it has been passed over.
            self._tail = JournalTail(self._file.path.parent)
            self._tables = {key: UnitTable(*key, since=rollouts[key].since) for key in splits}
            self._since = {key: rollouts[key].since for key in splits}
            self._breaches.clear()
        found = self._tail.read()
        if found:
            self._is_news = True
            for table in self._tables.values():
                table.add(found)

    def _look_at_guards(self, splits: Splits, rollouts: Rollouts, now: float) -> None:
        if not self._is_news or now - self._looked < _DUTY * self._cost:
            return
        self._is_news = False
        for key, split in splits.items():
            self._breaches[key] = breach(rollouts[key], self._tables[key], split.options)
        self._looked = monotonic()
        self._cost = self._looked - now

    def _new_weights(self, splits: Splits, rollouts: Rollouts, now: float) -> dict[RolloutKey, tuple[float, ...]]:
        """Return new weights for those bandits whose time has come."""
        found = {}
        for key, split in splits.items():
            bandit = split.options.bandit
            if bandit is None or now - self._weighed.get(key, -bandit.seconds) < bandit.seconds:
                continue
            weights = bandit_weights(self._tables[key], rollouts[key].arms, bandit, self._rng)
            if weights is not None:  # Else the first ones are due as soon as there are enough units.
                self._weighed[key] = now
                found[key] = weights
        return found


def _is_same(before: Rollout, after: Rollout) -> bool:
    """Tell whether nothing has changed that other processes have to know at once."""
    names = ("stage", "status", "weights")
    is_waiting = bool(before.waits_for) == bool(after.waits_for)
    return is_waiting and all(getattr(before, name) == getattr(after, name) for name in names)

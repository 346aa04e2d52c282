"""Keeps experiments at what the state file says: off, or at a stage; one process of all decides what comes next."""

import itertools
import logging
import threading
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from time import time_ns
from typing import Any

from spearmint.assignment.stages import Stage
from spearmint.online.file_lock import FileLock
from spearmint.online.rollout import Rollout
from spearmint.online.state_file import RolloutKey, Rollouts, SharedState, StateFile
from spearmint.online.switch_rules import SwitchRule, off_rule
from spearmint.online.writer import RecordWriter, records
from spearmint.strategies.split import Assignment, Split
from spearmint.warn import warn_once

logger = logging.getLogger("spearmint")

_TICK = 0.5  # seconds between looks at the state file
_THREAD = "spearmint-stages"


class StageKeeper:
    """Looks at the state file twice a second, on a thread of its own, and lets splits have the shares that it says.

    The process that holds the lock of the keeper reads the journal beside that, and decides. When it dies, the
    system lets go of the lock, and another process goes on from what the state file says.

    Args:
        writer: Who knows where the journal is.
    """

    def __init__(self, writer: RecordWriter) -> None:
        self._writer = writer
        self._splits: weakref.WeakKeyDictionary[Split, int] = weakref.WeakKeyDictionary()
        self._count = itertools.count()
        self._claim: FileLock | None = None
        self._reset()
        writer.on_reset.append(self._reset)
        writer.on_change.append(self._change)

    def _reset(self) -> None:
        """Begin anew, as the child of a fork does: without a lock, without the parent's claim, without a thread."""
        self._generation = object()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._decider: Any = None
        self._is_looking = False
        claim, self._claim = self._claim, None
        if claim is not None:
            claim.release()
        for split in self._alive():
            self._settle(split)

    def _change(self) -> None:
        """Look at another journal from now on."""
        self._reset()
        splits = self._alive()
        for split in splits:
            self._close(split)
        self._look(*splits)

    def _settle(self, split: Split) -> None:
        """Let a split's calls begin the looks where nothing looks yet, and get the first config while it is off."""
        if not self._is_looking and (split.is_steered or self._writer.options.journal is not None):
            split.on_use = self._use
        else:
            split.on_use = _refuse if split.off else None

    def _alive(self) -> list[Split]:
        """Return the splits in the order in which they were declared."""
        references = self._splits.keyrefs()  # A list, which other threads do not lengthen meanwhile.
        found = [split for reference in references if (split := reference()) is not None]
        return sorted(found, key=lambda split: self._splits.get(split, 0))

    @property
    def _file(self) -> StateFile | None:
        folder = self._writer.options.journal
        return None if folder is None else StateFile(folder)

    def watch(self, split: Split) -> None:
        """Let what the state file says hold for a split, now and from its first call on."""
        self._splits[split] = next(self._count)
        self._look(split)

    def _close(self, split: Split) -> None:
        split.off = ""
        if split.options.steps:  # Where nothing says that users may see the arms, they do not.
            split.set_shares(0.0, 0.0, note="its stages are not known: no journal is set")

    def _look(self, *splits: Split) -> None:
        """Let what the state file says hold for splits, without waiting for the thread."""
        file = self._file
        if file is not None:
            try:
                self._apply(splits, file.read_state())
            except Exception as error:  # noqa: BLE001 - a call of the user's may be the first, and goes on
                warn_once(("state file", str(file.path)), str(error))
        for split in splits:
            self._settle(split)

    def _apply(self, splits: Iterable[Split], state: SharedState) -> None:
        for split in splits:
            apply_switch(split, state.switches)
            self._settle(split)
            if split.is_steered:
                apply(split, state.rollouts)

    def _use(self, split: Split) -> Assignment | None:
        """Begin to look, at the first call, which has what the state file says by now."""
        if self._file is None:
            warn_once(
                ("stages", "no journal"),
                "Stages, guardrails and bandits stand still: there is no journal to keep their state. Experiments with "
                "stages give every unit the first config. Set configure(online={'journal': 'journal/'}).",
            )
            return None
        with self._lock:
            is_first, self._is_looking = not self._is_looking, True
        self._look(*self._alive())
        if is_first:
            with suppress(RuntimeError):  # The interpreter is shutting down, or the machine has no more threads.
                threading.Thread(target=self._work, args=(self._generation,), name=_THREAD, daemon=True).start()
        return split.disabled if split.off else None

    def _work(self, generation: object) -> None:
        wake = self._wake
        while generation is self._generation and len(self._splits) and self._file is not None:
            try:
                self.tick()
            except Exception as error:  # noqa: BLE001 - whatever happens here, the next look may be better
                if generation is self._generation:
                    warn_once(
                        ("stages", type(error).__name__), f"Stages are not looked after: {error} This is said once."
                    )
            wake.wait(_TICK)
        if generation is self._generation:
            self._reset()

    def tick(self) -> None:
        """Look once: begin what is new, let splits have their shares, and decide where this process is the keeper.

        What is off stays at its stage.

        Raises:
            SpearmintError: If the state file cannot be read or written.
        """
        file, alive = self._file, self._alive()
        if file is None or not alive:
            return
        state = file.read_state()
        self._apply(alive, state)
        # Of several declarations under one name, as after a reload, the last one says what the stages are.
        splits = {(split.name, split.version): split for split in alive if split.is_steered and not split.off}
        if not splits:
            return
        rollouts = _begun(file, state.rollouts, splits)
        for split in alive:
            if split.is_steered:
                apply(split, rollouts)
        if self._claim is None:
            try:
                self._claim = FileLock(file.path.with_name("keeper.lock"), waits=False)
            except BlockingIOError:  # Another process decides.
                return
        if self._decider is None:
            # It brings numpy and scipy, which experiments without stages need not.
            from spearmint.online.decider import Decider  # noqa: PLC0415

            self._decider = Decider(file)
        rollouts = self._decider.decide(splits, rollouts)
        for split in self._alive():
            if split.is_steered:
                apply(split, rollouts)


def _refuse(split: Split) -> Assignment:
    return split.disabled


def apply_switch(split: Split, rules: Sequence[SwitchRule]) -> None:
    """Let a split be off where the state file says so."""
    rule = off_rule(rules, split.name)
    off = "" if rule is None else rule.why or "by hand"
    if bool(off) != bool(split.off):
        told = f"switched off: {off}. Every unit has the first config" if off else "on again"
        logger.warning("%s is %s.", split.name, told)
    split.off = off


def apply(split: Split, rollouts: Rollouts) -> None:
    """Let a split have the shares that the state file says; without a word of it, those that it begins with."""
    rollout = rollouts.get((split.name, split.version))
    rollout = first_rollout(split) if rollout is None else rollout
    traffic, shadow = rollout.shares
    weights = split.weights if rollout.weights is None or len(rollout.weights) != len(split.arms) else rollout.weights
    live = split.live
    now = (live.traffic, split.shadow, live.weights, live.note, live.since)
    if now == (traffic, shadow, weights, rollout.label, rollout.since):
        return
    if rollout.status == "rolled_back" and live.note != rollout.label:
        logger.warning("%s is %s. Every unit has the first config.", split.name, rollout.label)
    split.set_shares(traffic, shadow, weights, note=rollout.label, since=rollout.since)


def first_rollout(split: Split) -> Rollout:
    """Return what a split begins with."""
    options = split.options
    stages = options.steps or (Stage(options.traffic, options.shadow),)
    return Rollout(name=split.name, version=split.version, arms=split.arms, stages=stages)


def _begun(file: StateFile, found: Rollouts, splits: Mapping[RolloutKey, Split]) -> Rollouts:
    """Return what the state file says, with what is declared and not in it yet, or with other stages."""
    firsts = {key: first_rollout(split) for key, split in splits.items()}

    def edited(before: Rollouts) -> Rollouts:
        after = dict(before)
        for key, first in firsts.items():
            known = after.get(key)
            if known is None:
                number = 1 + max((one.number for one in after.values()), default=0)
                after[key] = replace(first, number=number, counted=time_ns()).told(f"began with {first.current}")
            else:
                after[key] = known.with_stages(first.stages)
        return after

    is_known = all(key in found and found[key].stages == first.stages for key, first in firsts.items())
    return found if is_known else file.change(edited)


keeper = StageKeeper(records)
"""The one keeper of the process."""

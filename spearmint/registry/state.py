"""What an experiment remembers from call to call, and when that becomes doubtful."""

import weakref
from collections.abc import Callable, Hashable
from typing import Any

from spearmint.cases.case import ExperimentCase


class CallState:
    """What an experiment remembers from call to call.

    Attributes:
        cached_case: Holds the case of every call outside a case, once it is the same each time and has no variants.
        cached_case_by_class: The same by class, for methods for which the class of their instance makes a difference.
        cached_cases: The cases of calls that reach no other experiment, by the identity of the main config.
        reachabilities: What a call reaches, by what of its receiver makes a difference; `planning.select` fills it.
        key_of: Returns that part of a receiver; None where no receiver makes a difference.
        receiver_names: The attributes of a receiver that make a difference.
        dynamic_callees: Experiments that are called from this one although no analysis found them, each with the place
            of the first such call, in the order of discovery.
        revision: How often a dynamic call was recorded, or a test pinned or unpinned a config.
    """

    def __init__(self) -> None:
        self.cached_case: list[ExperimentCase | None] = [None]
        self.cached_case_by_class: dict[type, ExperimentCase] = {}
        self.cached_cases: dict[int, ExperimentCase] = {}
        self.reachabilities: dict[Hashable, Any] = {}
        self.key_of: Callable[[Any], Hashable] | None = None
        self.receiver_names: frozenset[str] = frozenset()
        self.dynamic_callees: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
        self.revision = 0
        self._is_tracked = False

    def cache_case(self, case: ExperimentCase, owner: type | None = None) -> None:
        """Let calls outside a case run in this one until it is forgotten; with ``owner``, those on its instances."""
        if owner is None:
            self.cached_case[0] = case
        else:
            self.cached_case_by_class[owner] = case
        self.track()

    def track(self) -> None:
        """Have the cached cases forgotten when they become doubtful."""
        if not self._is_tracked:
            self._is_tracked = True
            epoch.track(self)

    def forget_cases(self) -> None:
        """Let the next call make a case anew."""
        self._is_tracked = False
        self.cached_case[0] = None
        self.cached_case_by_class.clear()
        self.cached_cases.clear()
        for reachability in tuple(self.reachabilities.values()):
            reachability.choice = None

    def record_dynamic_call(self, callee: Any, place: str) -> None:
        """Remember an experiment that was called from this one, so that later plans include it."""
        if callee not in self.dynamic_callees:
            self.dynamic_callees[callee] = place
            self.revision += 1
            epoch.changes += 1


class Epoch:
    """What has happened in the process that plans depend on.

    Attributes:
        changes: Counts the experiments declared and the dynamic calls recorded.
    """

    def __init__(self) -> None:
        self.changes = 0
        self._tracked: list[weakref.ref[CallState]] = []

    def track(self, state: CallState) -> None:
        """Note that an experiment caches cases, which a new experiment makes doubtful."""
        self._tracked.append(weakref.ref(state))

    def invalidate_all(self) -> None:
        """Let every experiment be asked for its cases anew, which will find most of them as they were."""
        self.changes += 1
        tracked, self._tracked = self._tracked, []
        for reference in tracked:
            state = reference()
            if state is not None:
                state.forget_cases()


epoch = Epoch()
"""The one epoch of the process."""

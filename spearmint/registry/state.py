"""What an experiment remembers from call to call, and when that becomes doubtful."""

import weakref
from collections.abc import Callable, Hashable
from typing import Any

from spearmint.cases.case import ExperimentCase


class CallState:
    """What an experiment remembers.

    Attributes:
        cached_case: Holds the case of every call outside a case, once it is the same each time and has no variants.
        cached_case_by_class: The same by class, for methods for which the class of their instance makes a difference.
        cached_cases: The cases of calls that reach no other experiment, by the identity of the main config.
        reachabilities: What a call reaches, by what of its receiver makes a difference; `planning.select` fills it.
        key_of: Tells that of a receiver; None where no receiver makes a difference.
        receiver_names: The attributes of a receiver that do.
        dynamic_callees: Experiments that are called from this one although no analysis found them, each with the place
            of the first such call, in the order of discovery.
        revision: How often it has learned, or been pinned to a config by a test.
        is_pinned: Whether it is pinned, so that it does not run under its caller's config.
        proxies: What stands where the function stood, and lets it be called.
    """

    def __init__(self) -> None:
        self.cached_case: list[ExperimentCase | None] = [None]
        self.cached_case_by_class: dict[type, ExperimentCase] = {}
        self.cached_cases: dict[int, ExperimentCase] = {}
        self.reachabilities: dict[Hashable, Any] = {}
        self.key_of: Callable[[Any], Hashable] | None = None
        self.receiver_names: frozenset[str] = frozenset()
        self.dynamic_callees: weakref.WeakKeyDictionary[CallState, str] = weakref.WeakKeyDictionary()
        self.revision = 0
        self.is_pinned = False
        self.proxies: list[weakref.ref[Any]] = []
        self._is_noted = False

    @property
    def is_unreachable(self) -> bool:
        """Whether nobody can call it any more."""
        return bool(self.proxies) and all(carrier() is None for carrier in self.proxies)

    def cache_case(self, case: ExperimentCase, owner: type | None = None) -> None:
        """Let calls outside a case run in this one, while nothing says otherwise.

        Args:
            case: The case.
            owner: Whose instances' calls; None for all calls.
        """
        if owner is None:
            self.cached_case[0] = case
        else:
            self.cached_case_by_class[owner] = case
        self.track()

    def track(self) -> None:
        """Have the cases that are kept forgotten when that becomes doubtful."""
        if not self._is_noted:
            self._is_noted = True
            epoch.track(self)

    def forget_cases(self) -> None:
        """Let the next call make a case anew."""
        self._is_noted = False
        self.cached_case[0] = None
        self.cached_case_by_class.clear()
        self.cached_cases.clear()
        for reachability in tuple(self.reachabilities.values()):
            reachability.choice = None

    def record_dynamic_call(self, other: "CallState", place: str) -> None:
        """Remember an experiment that was called from this one, so that later plans reckon with it."""
        if other not in self.dynamic_callees:
            self.dynamic_callees[other] = place
            self.revision += 1
            epoch.changes += 1


class Epoch:
    """What has happened in the process that plans depend on.

    Attributes:
        changes: Counts it: experiments declared, and revision learned.
    """

    def __init__(self) -> None:
        self.changes = 0
        self._kept: list[weakref.ref[CallState]] = []

    def track(self, memory: CallState) -> None:
        """Note that an experiment keeps cases, which a new experiment makes doubtful."""
        self._kept.append(weakref.ref(memory))

    def invalidate_all(self) -> None:
        """Let every experiment be asked for its cases anew, which will find most of them as they were."""
        self.changes += 1
        kept, self._kept = self._kept, []
        for reference in kept:
            memory = reference()
            if memory is not None:
                memory.forget_cases()


epoch = Epoch()

"""What an experiment remembers from call to call, and when that becomes doubtful."""

import weakref
from collections.abc import Callable, Hashable
from typing import Any

from spearmint.cases.case import ExperimentCase


class CallState:
    """What an experiment remembers.

    Attributes:
        ready: Holds the case of every call outside a case, once it is known to be the same each time, without variants.
        ready_by_class: The same by class, for methods for which the class of their instance makes a difference.
        lone_cases: The cases of calls that reach no other experiment, by the identity of the main config.
        outlooks: What a call reaches, by what of its receiver makes a difference; `spearmint.planning.select` fills it.
        key_of: Tells that of a receiver; None where no receiver makes a difference.
        receiver_names: The attributes of a receiver that do.
        learned: Experiments that are called from this one although no analysis found them, each with the place of the
            first such call, in the order of discovery.
        lessons: How often it has learned, or been pinned to a config by a test.
        is_pinned: Whether it is pinned, so that it does not run under its caller's config.
        carriers: What stands where the function stood, and lets it be called.
    """

    def __init__(self) -> None:
        self.ready: list[ExperimentCase | None] = [None]
        self.ready_by_class: dict[type, ExperimentCase] = {}
        self.lone_cases: dict[int, ExperimentCase] = {}
        self.outlooks: dict[Hashable, Any] = {}
        self.key_of: Callable[[Any], Hashable] | None = None
        self.receiver_names: frozenset[str] = frozenset()
        self.learned: weakref.WeakKeyDictionary[CallState, str] = weakref.WeakKeyDictionary()
        self.lessons = 0
        self.is_pinned = False
        self.carriers: list[weakref.ref[Any]] = []
        self._is_noted = False

    @property
    def is_gone(self) -> bool:
        """Whether nobody can call it any more."""
        return bool(self.carriers) and all(carrier() is None for carrier in self.carriers)

    def keep_ready(self, case: ExperimentCase, owner: type | None = None) -> None:
        """Let calls outside a case run in this one, while nothing says otherwise.

        Args:
            case: The case.
            owner: Whose instances' calls; None for all calls.
        """
        if owner is None:
            self.ready[0] = case
        else:
            self.ready_by_class[owner] = case
        self.note_kept()

    def note_kept(self) -> None:
        """Have the cases that are kept forgotten when that becomes doubtful."""
        if not self._is_noted:
            self._is_noted = True
            epoch.note_kept(self)

    def forget_cases(self) -> None:
        """Let the next call make a case anew."""
        self._is_noted = False
        self.ready[0] = None
        self.ready_by_class.clear()
        self.lone_cases.clear()
        for outlook in tuple(self.outlooks.values()):
            outlook.choice = None

    def learn(self, other: "CallState", place: str) -> None:
        """Remember an experiment that was called from this one, so that later plans reckon with it."""
        if other not in self.learned:
            self.learned[other] = place
            self.lessons += 1
            epoch.changes += 1


class Epoch:
    """What has happened in the process that plans depend on.

    Attributes:
        changes: Counts it: experiments declared, and lessons learned.
    """

    def __init__(self) -> None:
        self.changes = 0
        self._kept: list[weakref.ref[CallState]] = []

    def note_kept(self, memory: CallState) -> None:
        """Note that an experiment keeps cases, which a new experiment makes doubtful."""
        self._kept.append(weakref.ref(memory))

    def renew(self) -> None:
        """Let every experiment be asked for its cases anew, which will find most of them as they were."""
        self.changes += 1
        kept, self._kept = self._kept, []
        for reference in kept:
            memory = reference()
            if memory is not None:
                memory.forget_cases()


epoch = Epoch()

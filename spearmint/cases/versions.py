"""Versions of what experiments are declared with: a reload makes one, and each call sees one from end to end."""

import threading
import weakref


class Version:
    """One version. Calls that may still ask for what was declared in it hold it.

    Attributes:
        number: Counts the versions of the process from 0.
    """

    __slots__ = ("__weakref__", "number")

    def __init__(self, number: int) -> None:
        self.number = number


class Versions:
    """The versions that calls run in.

    Attributes:
        lock: Held by who makes one, or pins an experiment to a config in it.
        current: The one that calls begin in. Setting it is one step: a call begins before it or after.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.current = Version(0)
        self._made: list[weakref.ref[Version]] = [weakref.ref(self.current)]

    def upcoming(self) -> Version:
        """Return the version to come, which is not current yet; the caller holds the lock."""
        return Version(self.current.number + 1)

    def publish(self, version: Version) -> None:
        """Let calls begin in a version; the caller holds the lock, and has declared all that changes in it."""
        self._made = [one for one in self._made if one() is not None]
        self._made.append(weakref.ref(version))
        self.current = version

    def in_use(self) -> list[int]:
        """Return the numbers of the versions that calls are in, or begin in, in their order."""
        return [version.number for reference in self._made if (version := reference()) is not None]

    def reset_after_fork(self) -> None:
        """Let the child of a fork have a lock that no thread of its parent holds."""
        self.lock = threading.RLock()


versions = Versions()
"""The versions of the process."""

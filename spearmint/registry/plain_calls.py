"""Experiments whose calls are the bare function's own, while nothing in the process has configs for anything."""

import weakref
from collections.abc import Callable
from typing import Any


class PlainCalls:
    """Experiments without configs that are called as the functions that they are, and when they become more.

    Attributes:
        sees_imports: Whether the import hook tells of mlflow, whose import is what traces them unless they are told.
    """

    def __init__(self) -> None:
        self.sees_imports = False
        self._rewriters: weakref.WeakKeyDictionary[Any, Callable[[Any], None]] = weakref.WeakKeyDictionary()
        self._with_configs: weakref.WeakKeyDictionary[Any, None] = weakref.WeakKeyDictionary()

    @property
    def are_enough(self) -> bool:
        """Whether no experiment of the process has configs."""
        references = self._with_configs.keyrefs()  # A list, which other threads do not lengthen meanwhile.
        return all(one is None or one.is_released for one in (reference() for reference in references))

    def note_configs(self, experiment: Any) -> None:
        """Note that an experiment has configs: others may reach it, so that their calls become more."""
        self._with_configs[experiment] = None
        self.end()

    def add(self, experiment: Any, rewrite: Callable[[Any], None]) -> None:
        """Hold an experiment whose calls are plain, and what makes more of them."""
        self._rewriters[experiment] = rewrite

    def __contains__(self, experiment: object) -> bool:
        return experiment in self._rewriters

    def end(self) -> None:
        """Make calls of experiments of all that are plain so far."""
        while self._rewriters:
            try:
                experiment, rewrite = self._rewriters.popitem()
            except KeyError:  # Another thread, or the collector, was faster.
                return
            rewrite(experiment)


plain_calls = PlainCalls()
"""Those of the process."""

"""A mapping that was read from a file, and where it and its values stand there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Position = tuple[int, int]
"""Line and column of something in a file, both counted from 1."""

PositionMap = dict[tuple[Any, ...], Position]
"""Where each value stands, by the keys and indexes that lead to it: the place of its key, or of the item of a list."""


@dataclass(frozen=True, slots=True)
class LocatedMapping:
    """One mapping of a file.

    Attributes:
        data: The mapping.
        position: Where it begins.
        positions: Where its values stand, by the keys that lead to them from the top of the document; may be empty.
        root: The keys that lead from the top of the document to the mapping.
    """

    data: dict[Any, Any]
    position: Position
    positions: Mapping[tuple[Any, ...], Position] = field(default_factory=dict)
    root: tuple[Any, ...] = ()

    def position_of(self, path: str | None) -> Position:
        """Return where the value at a dotted path stands, or what is nearest around it."""
        if not path:
            return self.position
        best, longest = self.position, -1
        for keys, position in self.positions.items():
            dotted = ".".join(map(str, keys[len(self.root) :]))
            is_around = keys[: len(self.root)] == self.root and f"{path}.".startswith(f"{dotted}.")
            if is_around and len(dotted) > longest:
                best, longest = position, len(dotted)
        return best

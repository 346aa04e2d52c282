"""What names of a module or class are bound to, as far as its code tells."""

from dataclasses import dataclass, field
from types import CodeType
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class ImportedModule:
    """A module, by its whole name."""

    name: str


@dataclass(frozen=True, slots=True)
class ImportedAttribute:
    """A name of another module, or a module in it."""

    module: str
    name: str


@dataclass(frozen=True, slots=True)
class Reference:
    """What a dotted path of names gives where it stands."""

    path: str


@dataclass(frozen=True, slots=True)
class FunctionDefinition:
    """A function that is defined here."""

    code: CodeType


@dataclass(frozen=True, slots=True)
class ClassBody:
    """A class that is defined here, with its bases; None for one that no name leads to."""

    code: CodeType
    bases: tuple[str | None, ...]


BoundValue: TypeAlias = ImportedModule | ImportedAttribute | Reference | FunctionDefinition | ClassBody | None


@dataclass(frozen=True, slots=True)
class BoundNames:
    """What a body binds.

    Attributes:
        names: To each name everything that it is bound to, in the order of the code; None for what cannot be told.
        stars: The modules of which it imports everything.
        defaults: The defaults of functions that are made there which are names: code, parameter, dotted path.
    """

    names: dict[str, list[BoundValue]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    defaults: list[tuple[CodeType, str, str]] = field(default_factory=list)

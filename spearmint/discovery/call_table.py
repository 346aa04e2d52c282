"""The calls of a scope, in one form for both extractors."""

from dataclasses import dataclass
from typing import Literal

CallKind = Literal["call", "chained", "decorator", "reference"]


@dataclass(frozen=True, slots=True, order=True)
class CallSite:
    """One place where a scope names something that it calls, or passes as an argument.

    Attributes:
        line: Line of the call, counted from 1, where a traceback would point.
        column: Offset of the call in that line, in UTF-8 bytes, counted from 0; -1 where the code does not tell.
        kind: `"call"` for `f(x)`; `"decorator"` for `@f`; `"chained"` for what is called on the result of a call, such
            as `super().f(x)`, `Ranker().score(x)` and `f()(x)`; `"reference"` for a name that is an argument of a call
            and may thus be called by the callee, such as `f` in `map(f, xs)` and in `sorted(xs, key=f)`.
        target: The dotted name as the running code looks it up, private names mangled: `"f"`, `"module.f"`,
            `"self.f"`, `"self._Class__f"`; for a chained call `"super().f"` or `"f()"`.
    """

    line: int
    column: int
    kind: CallKind
    target: str


@dataclass(frozen=True, slots=True, eq=False)
class CallTable:
    """What one scope calls.

    Two tables are equal when their scopes start on the same line and name the same targets, in the same kind, on the
    same lines. Columns do not count, because code compiled under `-X no_debug_ranges` has none; neither does how often
    a line names a target, because a compiler may emit one call several times.

    Attributes:
        sites: The call sites, in the order of the source, each once.
        first_line: The line on which the scope starts, decorators included: `co_firstlineno` of its code.
    """

    sites: tuple[CallSite, ...]
    first_line: int

    @property
    def targets(self) -> frozenset[str]:
        """The dotted names that the scope calls, decorators included."""
        return self._named("call", "decorator")

    @property
    def references(self) -> frozenset[str]:
        """The dotted names that the scope passes as arguments, and that the callee may call."""
        return self._named("reference")

    @property
    def chained(self) -> frozenset[str]:
        """The names that the scope calls on results of calls, such as `super().f`."""
        return self._named("chained")

    def __eq__(self, other: object) -> bool:
        """Compare start line, kinds, targets and lines."""
        if not isinstance(other, CallTable):
            return NotImplemented
        return self.first_line == other.first_line and self._compared() == other._compared()

    def __hash__(self) -> int:
        """Hash what equality compares."""
        return hash((self.first_line, self._compared()))

    def _named(self, *kinds: CallKind) -> frozenset[str]:
        return frozenset(site.target for site in self.sites if site.kind in kinds)

    def _compared(self) -> frozenset[tuple[int, CallKind, str]]:
        return frozenset((site.line, site.kind, site.target) for site in self.sites)

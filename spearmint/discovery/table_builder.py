"""From the calls that an extractor sees to the tables it returns: the rules that both ways share."""

from collections.abc import Iterable, Mapping

from spearmint.discovery.abstract_values import Marker, Value, items_of, names_of, result
from spearmint.discovery.call_table import CallKind, CallSite, CallTable

MODULE = "<module>"

_COMPREHENSIONS = frozenset({"<dictcomp>", "<genexpr>", "<listcomp>", "<setcomp>"})
_TYPE_PARAMETERS = "<generic parameters of "


class ScopeCalls:
    """The calls of one scope, while they are being found.

    Args:
        name: Qualified name of the scope, not numbered yet.
        first_line: Line on which the scope starts.
        position: Line and column of its definition, which put definitions of one name in order.
    """

    __slots__ = ("_found", "first_line", "name", "position")

    def __init__(self, name: str, first_line: int, position: tuple[int, int]) -> None:
        self.name = name
        self.first_line = first_line
        self.position = position
        self._found: set[tuple[int, int, CallKind, str]] = set()

    def call(
        self, line: int, column: int, callee: Value, arguments: Iterable[Value], unpacked: Iterable[Value] = ()
    ) -> Value:
        """Note a call, and return its value; of what stands behind ``*`` and ``**``, the items are passed."""
        if callee is Marker.INTERNAL:
            return None
        for name in names_of(callee):
            self._found.add((line, column, "chained" if "(" in name else "call", name))
        for argument in arguments:
            if argument is not None:
                self._refer(line, column, names_of(argument))
                self._refer(line, column, items_of(argument))
        for argument in unpacked:
            self._refer(line, column, items_of(argument))
        return result(callee)

    def decorate(self, line: int, column: int, decorator: Value) -> None:
        """Note that a decorator is applied."""
        for name in names_of(decorator):
            self._found.add((line, column, "chained" if "(" in name else "decorator", name))

    def table(self) -> CallTable:
        """Give what was found, in the order of the source."""
        return CallTable(tuple(CallSite(*site) for site in sorted(self._found)), self.first_line)

    def _refer(self, line: int, column: int, names: Iterable[str]) -> None:
        for name in names:
            # What a call returned is an argument here, not a function that the scope could name.
            if "(" not in name:
                self._found.add((line, column, "reference", name))


def is_hidden(name: str) -> bool:
    """Tell whether code of that name is no scope of its own: that of a comprehension, or of type parameters."""
    return name in _COMPREHENSIONS or name.startswith(_TYPE_PARAMETERS)


def scope_name(owner: str, name: str, *, owner_is_class: bool) -> str:
    """Name a scope after its owner, as `__qualname__` does.

    Comprehensions and the scopes of type parameters own nothing here: what they define is named after their owner, so
    that the name does not depend on whether the running CPython inlines them.
    """
    if owner == MODULE:
        return name
    return f"{owner}.{name}" if owner_is_class else f"{owner}.<locals>.{name}"


def tables_by_name(scopes: Iterable[ScopeCalls]) -> Mapping[str, CallTable]:
    """Key the tables by qualified name; from the second definition of a name on, `#2`, `#3`... are appended."""
    tables: dict[str, CallTable] = {}
    counts: dict[str, int] = {}
    for scope in sorted(scopes, key=lambda scope: scope.position):
        count = counts[scope.name] = counts.get(scope.name, 0) + 1
        tables[scope.name if count == 1 else f"{scope.name}#{count}"] = scope.table()
    return tables

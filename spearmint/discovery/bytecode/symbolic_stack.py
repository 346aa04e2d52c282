"""The symbolic stack of one code object: the names that lie on it when something is called."""

from types import CodeType

from spearmint.discovery.abstract_values import Marker, Value
from spearmint.discovery.table_builder import ScopeCalls

_NOWHERE = (None, None, None, None)


class SymbolicStack:
    """The stack of one code object, holding what is known by name.

    Args:
        code: The code object that is run.
        scope: The scope that its calls are counted for.

    Attributes:
        children: The code objects that were loaded, each with line and column of the place.
        offset: Where the current instruction lies in the code.
    """

    __slots__ = ("_positions", "children", "code", "consts", "locals", "names", "offset", "scope", "values")

    def __init__(self, code: CodeType, scope: ScopeCalls) -> None:
        self.code = code
        self.scope = scope
        self.consts = code.co_consts
        self.names = code.co_names
        # Local, cell and free variables share one index, in which an argument that is a cell keeps its place.
        local_names = code.co_varnames
        cells = tuple(name for name in code.co_cellvars if name not in local_names)
        self.locals = local_names + cells + code.co_freevars
        self.values: list[Value] = []
        self.offset = 0
        self.children: list[tuple[CodeType, tuple[int, int]]] = []
        self._positions: list[tuple[int | None, int | None, int | None, int | None]] = []

    def position(self) -> tuple[int, int]:
        """Give line and column of the current instruction."""
        if not self._positions:
            self._positions = list(self.code.co_positions())
        index = self.offset // 2  # Bytecode without line numbers tells none.
        line, _, column, _ = self._positions[index] if index < len(self._positions) else _NOWHERE
        return line or self.code.co_firstlineno, -1 if column is None else column

    def pop(self, count: int) -> list[Value]:
        """Take the topmost values off, deepest first."""
        if not count:
            return []
        values = self.values[-count:]
        del self.values[-count:]
        return values

    def call(self, arguments: list[Value], unpacked: list[Value]) -> None:
        """Replace the two slots of a callee by the value of its call."""
        first, second = self.pop(2)
        line, column = self.position()
        callee, extra = (second, Marker.NULL) if first is Marker.NULL else (first, second)
        if not isinstance(extra, Marker) or extra is Marker.INTERNAL:
            # Only calls of the compiler's making pass an argument in the slot of `self`: a decorator gets what it
            # decorates, the error of an `assert` its message, a comprehension its iterator.
            self.scope.decorate(line, column, callee)
            self.values.append(None)
        else:
            self.values.append(self.scope.call(line, column, callee, arguments, unpacked))

"""The calls in the expressions of one scope, and what the expressions may evaluate to."""

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import ClassVar, TypeAlias

from spearmint.discovery.abstract_values import Marker, Value, attribute, container_of, merge
from spearmint.discovery.source.constant_folding import truth_of
from spearmint.discovery.source.scopes import Body, Scope, Unit
from spearmint.discovery.table_builder import ScopeCalls, scope_name

_Reader: TypeAlias = Callable[..., Value]

# A call with more values than this is compiled as a plain call (STACK_USE_GUIDELINE in CPython's compiler).
_MOST_METHOD_ARGUMENTS = 29

_NOT_READ = frozenset({"attr", "conversion", "ctx", "id", "kind", "op", "ops", "str"})


class _Children(dict[type[ast.AST], tuple[str, ...]]):
    """The fields of each type of node that may hold expressions."""

    def __missing__(self, node_type: type[ast.AST]) -> tuple[str, ...]:
        children = self[node_type] = tuple(name for name in node_type._fields if name not in _NOT_READ)
        return children


_CHILDREN = _Children()


class _Readers(dict[type[ast.AST], _Reader]):
    """How each type of expression is read."""

    def __init__(self, default: _Reader, readers: Mapping[type[ast.AST], _Reader]) -> None:
        super().__init__(readers)
        self._default = default

    def __missing__(self, node_type: type[ast.AST]) -> _Reader:
        self[node_type] = self._default
        return self._default


def _joined(values: Sequence[Value]) -> Value:
    return reduce(merge, values) if values else None


class Expressions:
    """Reads the expressions of one scope."""

    __slots__ = ("scope", "unit")

    def __init__(self, unit: Unit, scope: Scope) -> None:
        self.unit = unit
        self.scope = scope

    def value(self, node: ast.expr) -> Value:
        """Note the calls of an expression, and return what it may evaluate to."""
        return self._readers[type(node)](self, node)

    def values(self, nodes: Iterable[ast.expr | None]) -> None:
        """Note the calls of several expressions."""
        for node in nodes:
            if node is not None:
                self._readers[type(node)](self, node)

    def truth(self, node: ast.expr) -> bool | None:
        """Tell which way the compiler decides an expression, or None if the running program decides."""
        return truth_of(node, self.unit.optimize, self.unit.facts)

    def condition(self, node: ast.expr) -> tuple[bool, bool]:
        """Note the calls of a condition, and tell whether it can be true, and whether it can be false."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            can_be_true, can_be_false = self.condition(node.operand)
            return can_be_false, can_be_true
        if isinstance(node, ast.BoolOp):
            return self._junction(node)
        if isinstance(node, ast.IfExp):
            return self._conditional(node)
        constant = self.truth(node)
        if constant is not None:
            return constant, not constant
        self.value(node)
        return True, True

    def define(
        self, name: str, node: ast.AST, body: Body, *, first_line: int | None = None, private: str | None = None
    ) -> Scope:
        """Note a scope that this one defines; ``private`` is the class whose body it is, if it is one."""
        owner = self.scope
        line: int = getattr(node, "lineno", 1)
        column: int = getattr(node, "col_offset", 0)
        if owner.mangled(name) in owner.global_names:
            qualified = name
        else:
            qualified = scope_name(owner.calls.name, name, owner_is_class=owner.is_class)
        calls = ScopeCalls(qualified, line if first_line is None else first_line, (line, column))
        is_class = private is not None
        scope = Scope(calls, private if is_class else owner.private, is_class=is_class, is_function=not is_class)
        self.unit.found.append(calls)
        self.unit.pending.append((scope, body))
        return scope

    def _junction(self, node: ast.BoolOp) -> tuple[bool, bool]:
        is_and = isinstance(node.op, ast.And)
        stops = False
        for operand in node.values:
            can_be_true, can_be_false = self.condition(operand)
            goes_on = can_be_true if is_and else can_be_false
            stops = stops or (can_be_false if is_and else can_be_true)
            if not goes_on:
                return (False, True) if is_and else (True, False)
        return (True, stops) if is_and else (stops, True)

    def _conditional(self, node: ast.IfExp) -> tuple[bool, bool]:
        outcomes = []
        can_be_true, can_be_false = self.condition(node.test)
        if can_be_true:
            outcomes.append(self.condition(node.body))
        if can_be_false:
            outcomes.append(self.condition(node.orelse))
        return any(outcome[0] for outcome in outcomes), any(outcome[1] for outcome in outcomes)

    def plain(self, node: ast.expr | ast.stmt) -> Value:
        """Note the calls of the expressions directly below a node; their values do not matter."""
        for name in _CHILDREN[type(node)]:
            child = getattr(node, name)
            if isinstance(child, ast.expr):
                self._readers[type(child)](self, child)
            elif isinstance(child, list):
                for part in child:
                    if isinstance(part, ast.expr):
                        self._readers[type(part)](self, part)
        return None

    def _constant(self, _node: ast.Constant) -> Value:
        return None

    def _name(self, node: ast.Name) -> Value:
        name = node.id
        if not name.startswith("__"):
            return name
        return None if name == "__debug__" else self.scope.mangled(name)

    def _attribute(self, node: ast.Attribute) -> Value:
        value = self._readers[type(node.value)](self, node.value)
        return None if value is None else attribute(value, self.scope.mangled(node.attr))

    def _walrus(self, node: ast.NamedExpr) -> Value:
        return self.value(node.value)

    def _lambda(self, node: ast.Lambda) -> Value:
        arguments = node.args
        self.values([*arguments.defaults, *arguments.kw_defaults])
        self.define("<lambda>", node, [node.body])
        return Marker.INTERNAL

    def _if_else(self, node: ast.IfExp) -> Value:
        can_be_true, can_be_false = self.condition(node.test)
        if not can_be_false:
            return self.value(node.body)
        if not can_be_true:
            return self.value(node.orelse)
        return merge(self.value(node.body), self.value(node.orelse))

    def _and_or(self, node: ast.BoolOp) -> Value:
        return _joined(self._outcomes(node))

    def _outcomes(self, node: ast.expr) -> tuple[Value, Value]:
        """Read an operand of `and` or `or`; give its value if it is true, and if it is false."""
        if not isinstance(node, ast.BoolOp):
            value = self.value(node)
            return value, value
        is_and = isinstance(node.op, ast.And)
        when_true: list[Value] = []
        when_false: list[Value] = []
        for operand in node.values[:-1]:
            constant = self.truth(operand)
            if constant is None:
                outcomes = self._outcomes(operand)
                (when_false if is_and else when_true).append(outcomes[is_and])
            elif constant != is_and:
                break
        else:
            outcomes = self._outcomes(node.values[-1])
            when_true.append(outcomes[0])
            when_false.append(outcomes[1])
        if self.unit.facts.threads_conditions:
            return _joined(when_true), _joined(when_false)
        value = _joined([*when_true, *when_false])
        return value, value

    def _display(self, node: ast.List | ast.Tuple | ast.Set) -> Value:
        whole: list[Value] = []
        spread: list[Value] = []
        for element in node.elts:
            if isinstance(element, ast.Starred):
                spread.append(self.value(element.value))
            else:
                whole.append(self.value(element))
        return container_of(None, whole, spread)

    def _dict(self, node: ast.Dict) -> Value:
        whole: list[Value] = []
        spread: list[Value] = []
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                spread.append(self.value(value))
            else:
                whole += (self.value(key), self.value(value))
        return container_of(None, whole, spread)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Value:
        if all(self._clause(clause) for clause in node.generators):
            self.values([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])
        return None

    def _clause(self, clause: ast.comprehension) -> bool:
        """Read one `for` of a comprehension; tell whether what follows it can be reached."""
        self.values([clause.iter, clause.target])
        return all(self.condition(test)[0] for test in clause.ifs)

    def _call(self, node: ast.Call) -> Value:
        callee = self.value(node.func)
        passed: list[Value] = []
        spread: list[Value] = []
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                spread.append(self.value(argument.value))
            else:
                passed.append(self.value(argument))
        for keyword in node.keywords:
            (spread if keyword.arg is None else passed).append(self.value(keyword.value))
        line, column = node.lineno, node.col_offset
        if isinstance(node.func, ast.Attribute) and line != node.func.end_lineno:
            line, column = self._method_position(node, node.func)
        return self.scope.calls.call(line, column, callee, passed, spread)

    def _method_position(self, node: ast.Call, method: ast.Attribute) -> tuple[int, int]:
        # A method call starts at the method's name, if that stands on another line than the expression starts on.
        if not self._is_method_call(node, method) or method.end_lineno is None or method.end_col_offset is None:
            return node.lineno, node.col_offset
        return method.end_lineno, max(method.end_col_offset - len(method.attr), -1)

    def _is_method_call(self, node: ast.Call, method: ast.Attribute) -> bool:
        count = len(node.args) + len(node.keywords) + bool(node.keywords)
        if count > _MOST_METHOD_ARGUMENTS:
            return False
        if any(isinstance(argument, ast.Starred) for argument in node.args):
            return False
        if any(keyword.arg is None for keyword in node.keywords):
            return False
        # `module.function()` is compiled as a plain call, if the module's own scope imports the name.
        return not isinstance(method.value, ast.Name) or not self.unit.is_imported(method.value.id)

    _readers: ClassVar[_Readers] = _Readers(
        plain,
        {
            ast.Attribute: _attribute,
            ast.BoolOp: _and_or,
            ast.Call: _call,
            ast.Constant: _constant,
            ast.Dict: _dict,
            ast.DictComp: _comprehension,
            ast.GeneratorExp: _comprehension,
            ast.IfExp: _if_else,
            ast.Lambda: _lambda,
            ast.List: _display,
            ast.ListComp: _comprehension,
            ast.Name: _name,
            ast.NamedExpr: _walrus,
            ast.Set: _display,
            ast.SetComp: _comprehension,
            ast.Tuple: _display,
        },
    )

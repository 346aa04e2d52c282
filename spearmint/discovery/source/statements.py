"""The statements of one scope: which of them the compiler keeps, and what they call."""

import ast
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import ClassVar

from spearmint.discovery.source.expressions import Expressions
from spearmint.discovery.source.scopes import Body, Scope, Unit

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def _always_matches(pattern: ast.pattern) -> bool:
    if isinstance(pattern, ast.MatchAs):
        return pattern.pattern is None or _always_matches(pattern.pattern)
    return isinstance(pattern, ast.MatchOr) and any(map(_always_matches, pattern.patterns))


def _breaks(body: Iterable[ast.stmt]) -> bool:
    return any(isinstance(node, ast.Break) for statement in body for node in ast.walk(statement))


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


class Statements:
    """Reads the statements of one scope, and follows where control can go."""

    __slots__ = ("_annotations_run", "_deferred", "_expressions", "_is_left_by_break", "_scope", "_unit")

    def __init__(self, unit: Unit, scope: Scope, *, annotations_run: bool) -> None:
        self._unit = unit
        self._scope = scope
        self._expressions = Expressions(unit, scope)
        self._annotations_run = annotations_run
        self._deferred: list[ast.expr] = []
        self._is_left_by_break = False

    def read(self, body: Body) -> None:
        """Read all of a scope."""
        self._expressions.values(node for node in body if isinstance(node, ast.expr))
        statements = [node for node in body if isinstance(node, ast.stmt)]
        reaches_end = self._block(statements)
        # A module makes the function when it starts to run, a class when its body has run.
        if self._deferred and (reaches_end or not self._scope.is_class):
            first_line = self._scope.calls.first_line if self._scope.is_class else None
            # The docstring is no statement where the compiler leaves docstrings out.
            first = statements[self._unit.optimize > 1 and _is_docstring(statements[0])]
            self._expressions.define("__annotate__", first, self._deferred, first_line=first_line)

    def _block(self, body: Iterable[ast.stmt]) -> bool:
        """Read statements in a row; tell whether control reaches their end."""
        statements = iter(body)
        for statement in statements:
            reader = self._readers.get(type(statement))
            if reader is None:
                self._expressions.plain(statement)
            elif not reader(self, statement):
                self._skip(statements)
                return False
        return True

    def _skip(self, statements: Iterable[ast.stmt]) -> None:
        """Pass over statements that are removed: what they declare holds nevertheless."""
        pending: list[ast.AST] = list(statements)
        while pending:
            node = pending.pop()
            if isinstance(node, ast.Global):
                self._global(node)
            elif isinstance(node, ast.AnnAssign):
                self._defer(node)
            elif not isinstance(node, _Function | ast.ClassDef | ast.expr):
                pending.extend(ast.iter_child_nodes(node))

    def _branch(self, body: Sequence[ast.stmt], *, can_run: bool) -> bool:
        if can_run:
            return self._block(body)
        self._skip(body)
        return False

    def _global(self, node: ast.Global) -> bool:
        self._scope.global_names.update(map(self._scope.mangled, node.names))
        return True

    def _nothing(self, _node: ast.stmt) -> bool:
        return True

    def _expression(self, node: ast.Expr) -> bool:
        self._expressions.value(node.value)
        return True

    def _leave(self, node: ast.Return | ast.Raise) -> bool:
        if isinstance(node, ast.Return):
            self._expressions.values([node.value])
        else:
            self._expressions.values([node.exc, node.cause])
        return False

    def _break(self, _node: ast.Break) -> bool:
        self._is_left_by_break = True
        return False

    def _continue(self, _node: ast.Continue) -> bool:
        return False

    def _if(self, node: ast.If) -> bool:
        can_be_true, can_be_false = self._expressions.condition(node.test)
        after_body = self._branch(node.body, can_run=can_be_true)
        after_else = self._branch(node.orelse, can_run=can_be_false)
        return after_body or after_else

    def _while(self, node: ast.While) -> bool:
        can_be_true, can_be_false = self._expressions.condition(node.test)
        return self._loop(node.body, node.orelse, can_run=can_be_true, can_end=can_be_false)

    def _for(self, node: ast.For | ast.AsyncFor) -> bool:
        self._expressions.values([node.iter, node.target])
        return self._loop(node.body, node.orelse, can_run=True, can_end=True)

    def _loop(self, body: Sequence[ast.stmt], orelse: Sequence[ast.stmt], *, can_run: bool, can_end: bool) -> bool:
        outer, self._is_left_by_break = self._is_left_by_break, False
        self._branch(body, can_run=can_run)
        is_left, self._is_left_by_break = self._is_left_by_break, outer
        after_else = self._branch(orelse, can_run=can_end)
        return is_left or after_else

    def _with(self, node: ast.With | ast.AsyncWith) -> bool:
        for item in node.items:
            self._expressions.values([item.context_expr, item.optional_vars])
        self._block(node.body)
        # The context manager may swallow what the body raises.
        return True

    def _try(self, node: "ast.Try | ast.TryStar") -> bool:
        breaks_before = self._is_left_by_break
        after = self._block(node.body)
        after = self._branch(node.orelse, can_run=after)
        for handler in node.handlers:
            if self._cannot_raise(node.body):
                self._skip(handler.body)
                continue
            self._expressions.values([handler.type])
            after = self._block(handler.body) or after
        if not self._block(node.finalbody):
            # A `finally` that does not end takes the place of every `break` that leads through it.
            self._is_left_by_break = breaks_before or (self._is_left_by_break and _breaks(node.finalbody))
            return False
        return after

    def _cannot_raise(self, body: Iterable[ast.stmt]) -> bool:
        """Tell whether a guarded body is a single statement without code of its own: its handlers are then removed."""
        kept = [statement for statement in body if not self._has_no_code(statement)]
        if kept and isinstance(kept[0], ast.Return | ast.Break | ast.Continue):
            del kept[1:]
        return len(kept) <= 1 and all(map(self._is_idle, kept))

    def _has_no_code(self, node: ast.stmt) -> bool:
        if isinstance(node, ast.AnnAssign):
            return self._scope.is_function and node.value is None and isinstance(node.target, ast.Name)
        if isinstance(node, ast.Assert):
            return self._unit.optimize > 0
        return isinstance(node, ast.Global | ast.Nonlocal)

    def _is_idle(self, node: ast.stmt) -> bool:
        if isinstance(node, ast.Expr | ast.Return):
            return node.value is None or isinstance(node.value, ast.Constant)
        if isinstance(node, ast.Assert):
            return self._expressions.truth(node.test) is True
        return isinstance(node, ast.Pass | ast.Break | ast.Continue)

    def _match(self, node: ast.Match) -> bool:
        self._expressions.value(node.subject)
        after = False
        can_go_on = True
        for case in node.cases:
            if not can_go_on:
                self._skip(case.body)
                continue
            self._patterns(case.pattern)
            can_be_true, can_be_false = True, False
            if case.guard is not None:
                can_be_true, can_be_false = self._expressions.condition(case.guard)
            after = self._branch(case.body, can_run=can_be_true) or after
            can_go_on = can_be_false or not _always_matches(case.pattern)
        return after or can_go_on

    def _patterns(self, pattern: ast.pattern) -> None:
        for node in ast.walk(pattern):
            if isinstance(node, ast.MatchValue):
                self._expressions.value(node.value)

    def _assert(self, node: ast.Assert) -> bool:
        if self._unit.optimize:
            return True
        can_be_true, can_be_false = self._expressions.condition(node.test)
        if can_be_false:
            self._expressions.values([node.msg])
        return can_be_true

    def _annotated(self, node: ast.AnnAssign) -> bool:
        target = node.target
        if node.value is not None:
            self._expressions.values([node.value, target])
        elif isinstance(target, ast.Attribute):
            self._expressions.value(target.value)
        elif isinstance(target, ast.Subscript):
            self._expressions.values([target.value, target.slice])
        if self._scope.is_function or not self._annotations_run:
            return True
        if not self._unit.facts.defers_annotations:
            self._expressions.value(node.annotation)
        self._defer(node)
        return True

    def _defer(self, node: ast.AnnAssign) -> None:
        if not node.simple or self._scope.is_function or not self._annotations_run:
            return
        if self._unit.facts.defers_annotations:
            self._deferred.append(node.annotation)

    def _decorators(self, node: "_Function | ast.ClassDef") -> int:
        """Read the decorators; give the line on which the definition starts."""
        for decorator in node.decorator_list:
            value = self._expressions.value(decorator)
            self._scope.calls.decorate(decorator.lineno, decorator.col_offset, value)
        return node.decorator_list[0].lineno if node.decorator_list else node.lineno

    def _function(self, node: _Function) -> bool:
        first_line = self._decorators(node)
        arguments = node.args
        self._expressions.values([*arguments.defaults, *arguments.kw_defaults])
        self._type_parameters(node)
        every = [*arguments.posonlyargs, *arguments.args, arguments.vararg, *arguments.kwonlyargs, arguments.kwarg]
        annotations = [argument.annotation for argument in every if argument is not None and argument.annotation]
        if node.returns is not None:
            annotations.append(node.returns)
        if self._unit.facts.defers_annotations:
            if annotations:
                # Under the future import the function is there as well, and returns strings.
                self._expressions.define("__annotate__", node, annotations if self._annotations_run else [])
        elif self._annotations_run:
            self._expressions.values(annotations)
        self._expressions.define(node.name, node, node.body, first_line=first_line)
        return True

    def _class(self, node: ast.ClassDef) -> bool:
        first_line = self._decorators(node)
        self._type_parameters(node)
        bases = self._expressions
        if getattr(node, "type_params", ()):
            private = node.name if self._unit.facts.mangles_generic_bases else None
            bases = Expressions(self._unit, replace(self._scope, private=private))
        bases.values([*node.bases, *(keyword.value for keyword in node.keywords)])
        self._expressions.define(node.name, node, node.body, first_line=first_line, private=node.name)
        return True

    def _type_parameters(self, node: ast.AST) -> None:
        for parameter in getattr(node, "type_params", ()):
            for name in ("bound", "default_value"):
                value: ast.expr | None = getattr(parameter, name, None)
                if value is not None:
                    self._expressions.define(parameter.name, parameter, [value])

    def _type_alias(self, node: ast.stmt) -> bool:
        self._type_parameters(node)
        name: ast.Name = node.name  # type: ignore[attr-defined]
        value: ast.expr = node.value  # type: ignore[attr-defined]
        self._expressions.define(name.id, node, [value])
        return True

    _readers: ClassVar[dict[type[ast.AST], Callable[..., bool]]] = {
        ast.AnnAssign: _annotated,
        ast.Assert: _assert,
        ast.AsyncFor: _for,
        ast.AsyncFunctionDef: _function,
        ast.AsyncWith: _with,
        ast.Break: _break,
        ast.ClassDef: _class,
        ast.Continue: _continue,
        ast.Expr: _expression,
        ast.For: _for,
        ast.FunctionDef: _function,
        ast.Global: _global,
        ast.If: _if,
        ast.Import: _nothing,
        ast.ImportFrom: _nothing,
        ast.Match: _match,
        ast.Nonlocal: _nothing,
        ast.Pass: _nothing,
        ast.Raise: _leave,
        ast.Return: _leave,
        ast.Try: _try,
        ast.TryStar: _try,
        ast.While: _while,
        ast.With: _with,
    }
    if sys.version_info >= (3, 12):
        _readers[ast.TypeAlias] = _type_alias

"""Are the same reads of values found in modules with source and without?

    python benchmarks/value_parity.py                     the standard library, tests and site-packages aside
    python benchmarks/value_parity.py sqlalchemy pandas   installed packages

All constants, class attributes and literals that a file names count as values, and all its functions as targets. Its
reads are found as the import hook does: in what the rewritten tree compiles to, in the rewritten code of the compiler,
and in that code with no target. Which function reads which value, in which line and column, and how has to be the same
in all three; and where a literal was found, the source has to have it, or what the compiler folds. Every difference is
printed. Status 1 where there is one.
"""

import ast
import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import CodeType
from typing import Any

from compared_files import Files, Found, compare_libraries

from spearmint.instrument.rewrite.ast_rewrite import rewrite_tree
from spearmint.instrument.rewrite.bytecode_rewrite import rewrite_code
from spearmint.instrument.rewrite.result import ReadSite, RewrittenCode
from spearmint.instrument.rewrite.value_rewrite import rewrite_reads
from spearmint.instrument.settings.value_target import ValueTarget, ValueTargets, parse_value
from spearmint.instrument.values.static_values import static_values

_FOLDED = (ast.BinOp, ast.UnaryOp, ast.JoinedStr, ast.FormattedValue, ast.Subscript, ast.BoolOp, ast.Compare)
_FOLDED += (ast.Call, ast.Attribute, ast.IfExp)  # What begins with one of the others.


@dataclass
class Tally(Found):
    """What was compared so far."""

    files: int = 0
    values: Counter[str] = field(default_factory=Counter)
    reads: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, source: bytes) -> None:
        """Compare the reads in one file."""
        path = PurePosixPath(name).with_suffix("")
        is_package = path.name == "__init__"
        parts = path.parts[:-1] if is_package else path.parts
        module = ".".join(re.sub(r"\W", "_", part) for part in parts)
        try:
            tree = ast.parse(source, name)
            code = compile(source, name, "exec", dont_inherit=True, optimize=0)
        except (SyntaxError, ValueError) as error:
            self.unreadable.append(f"{name}: {error}")
            return
        self.files += 1
        known = static_values(code)
        values = ValueTargets(self._parsed(f"{module}:{one.name}" for one in known))
        self.values.update(one.kind for one in known)

        def reads(one: CodeType) -> set[ReadSite]:
            return set(rewrite_reads(one, module, is_package=is_package, values=values)[1])

        plain = reads(code)
        self.reads.update(one.kind for one in plain)
        literals = {f"{module}:{one.name}": one.value for one in known if one.kind == "literal"}
        self._compare_with_tree(name, tree, plain, literals)
        without_source = rewrite_code(code, _is_target)
        if not isinstance(without_source, RewrittenCode):
            self.differences.append(f"{name}: {without_source.reason}")
            return
        with_source = compile(rewrite_tree(tree, _is_target, optimize=0).tree, name, "exec", dont_inherit=True)
        for form, found in (("source", reads(with_source)), ("code", reads(without_source.code))):
            self.differences += [f"{name}: not in the rewritten {form}: {one}" for one in sorted(plain - found)]
            self.differences += [f"{name}: only in the rewritten {form}: {one}" for one in sorted(found - plain)]

    def _parsed(self, names: Iterable[str]) -> Iterator[ValueTarget]:
        for name in names:
            try:
                yield parse_value(name)
            except ValueError as error:
                self.differences.append(str(error))

    def _compare_with_tree(self, name: str, tree: ast.Module, found: set[ReadSite], values: dict[str, Any]) -> None:
        nodes: dict[tuple[int, int], list[ast.expr]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.expr):
                nodes.setdefault((node.lineno, node.col_offset), []).append(node)
        moved = list(_moved(tree))
        for one in found:
            if one.kind != "literal":
                continue
            value = values[one.path]
            there = nodes.get((one.line, one.column), [])
            same = [node for node in there if isinstance(node, ast.Constant) and _is_same(node.value, value)]
            if (
                not same
                and not any(isinstance(node, _FOLDED) for node in there)
                and not any(_is_part(value, other) for other in moved)
            ):
                self.differences.append(f"{name}: not in the source: {one}")
        missed = values.keys() - {one.path for one in found}
        self.differences += [f"{name}: the literal {one} has no read" for one in sorted(missed)]


def _is_target(name: str, parameters: object) -> bool:  # noqa: ARG001 - called as the settings' own is
    return True


def _moved(tree: ast.Module) -> Iterator[Any]:
    """Yield what the compiler may put elsewhere: the text before `%`, and what is returned through a ``finally``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            texts = [one.value for one in ast.walk(node.left) if isinstance(one, ast.Constant)]
            yield "".join(reversed([one for one in texts if isinstance(one, str)]))  # `walk` has the last one first.
            yield "".join(one for one in texts if isinstance(one, str))
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Constant):
            yield node.value.value


def _is_part(value: Any, other: Any) -> bool:
    both_are_texts = isinstance(value, str) and isinstance(other, str)
    return value in other.replace("%%", "%") if both_are_texts else _is_same(value, other)


def _is_same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and repr(one) == repr(other)


def measure(title: str, files: Files) -> bool:
    """Compare files, print the result, and tell whether all is the same."""
    tally = Tally()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Invalid escapes and the like are the libraries' own affair.
        for name, source in files:
            tally.add(name, source)
    values, reads = (
        ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) for counts in (tally.values, tally.reads)
    )
    print(f"{title}: {tally.files} files; values: {values}; reads: {reads}")
    return tally.tell()


if __name__ == "__main__":
    sys.exit(compare_libraries(__doc__, measure))

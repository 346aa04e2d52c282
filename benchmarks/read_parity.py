"""Does code stay what it was, outside the reads of values? Compared over whole libraries, function by function.

    python benchmarks/read_parity.py                      the standard library, tests and site-packages aside
    python benchmarks/read_parity.py sqlalchemy pandas    installed packages

Every constant that a module binds counts as a value, and every read of one in its functions is rewritten. Then what was
put in is taken out again: instructions, their arguments and places, the targets of jumps and the handlers of exceptions
have to be the compiler's own. The reads that were found have to be all that there are. Every difference is
printed. Status 1 where a function differs.
"""

import builtins
import dis
import inspect
import sys
import warnings
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import CodeType
from typing import Any

from compared_files import Files, Found, compare_libraries

from spearmint.instrument.naming.bound_names import names_bound_in
from spearmint.instrument.rewrite.read_marks import CASE, MARK
from spearmint.instrument.rewrite.value_rewrite import rewrite_reads
from spearmint.instrument.settings.value_target import ValueTarget

_NO_CODE = frozenset({"CACHE", "EXTENDED_ARG", "NOP"})
_PUSHES_NULL = "LOAD_GLOBAL"
_HIDDEN = frozenset({"__annotate__", "__conditional_annotations__"})

Instruction = tuple[Any, ...]


@dataclass
class Tally(Found):
    """What was compared so far."""

    files: int = 0
    functions: int = 0
    reads: int = 0

    def add(self, name: str, source: bytes) -> None:
        """Rewrite every read in one file, and compare."""
        path = PurePosixPath(name).with_suffix("")
        is_package = path.name == "__init__"
        module = ".".join(path.parts[:-1] if is_package else path.parts)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                code = compile(source, name, "exec", dont_inherit=True, optimize=0)
                wanted = _wanted(code, module, is_package=is_package)
                shown = set(_reads_in(code, {one.name for one in wanted}))
        except (SyntaxError, ValueError) as error:
            self.unreadable.append(f"{name}: {error}")
            return
        self.files += 1
        rewritten, sites = rewrite_reads(code, module, is_package=is_package, values=wanted)
        self.reads += len(sites)
        self._compare(name, code, rewritten)
        own = {
            f"{module}.{one.name}": one.name for one in wanted
        }  # Others may turn out to be none when they are linked.
        found = {(own[one.path], one.line) for one in sites if one.kind == "constant" and one.path in own}
        self.differences += [f"{name}, line {line}: {read} is read, and was not found" for read, line in shown - found]
        self.differences += [f"{name}, line {line}: {read} was found, and is not read" for read, line in found - shown]

    def _compare(self, where: str, code: CodeType, rewritten: CodeType) -> None:
        self.functions += 1
        for attribute in ("co_flags", "co_argcount", "co_varnames", "co_cellvars", "co_freevars", "co_firstlineno"):
            if getattr(code, attribute) != getattr(rewritten, attribute):
                old, new = getattr(code, attribute), getattr(rewritten, attribute)
                self.differences.append(f"{where} {code.co_qualname}: {attribute} {old} became {new}")
        if rewritten.co_stacksize < code.co_stacksize:
            self.differences.append(f"{where} {code.co_qualname}: a smaller stack")
        before, after = compared(code), compared(rewritten)
        if before != after:
            pairs = zip(before, after, strict=False)
            first = next((pair for pair in pairs if pair[0] != pair[1]), (len(before), len(after)))
            self.differences.append(f"{where} {code.co_qualname}: {first[0]} became {first[1]}")
        inner = [_codes_in(one) for one in (code, rewritten)]
        if len(inner[0]) != len(inner[1]):
            self.differences.append(f"{where} {code.co_qualname}: other functions in it")
        for old, new in zip(*inner, strict=False):
            if old is not new:
                self._compare(where, old, new)


def compared(code: CodeType) -> list[Instruction]:
    """Return the instructions of a code object without those that ask for values.

    Each is a name, an argument, a place in the source, and the handler of what it raises. Targets are told by their
    number among these instructions.
    """
    items = [item for item in dis.get_instructions(code) if item.opname not in _NO_CODE]
    left_out = set(_inserted(items))
    kept = [item for index, item in enumerate(items) if index not in left_out]
    number_of: dict[int, int] = {}
    number = 0
    for index, item in enumerate(items):  # A jump to what was put in leads to what follows it.
        number_of[item.offset] = number
        number += 0 if index in left_out else 1 + _pushes_null_too(item)
    starts = sorted(number_of)

    def number_at(offset: int) -> int:
        return number_of[starts[bisect_left(starts, offset)]]

    handlers = dis._parse_exception_table(code)  # noqa: SLF001 - nothing public reads it
    found = []
    for item in kept:
        argument = item.argval
        if item.opcode in dis.hasjrel or item.opcode in dis.hasjabs:
            argument = number_at(item.argval)
        elif type(argument) is CodeType:
            argument = argument.co_qualname
        covering = [one for one in handlers if one.start <= item.offset < one.end]
        handler = [(number_at(one.target), one.depth, one.lasti) for one in covering]
        place = item.positions and (item.positions.lineno, item.positions.col_offset, item.positions.end_col_offset)
        found += _split(item, argument, place, handler)
    return found


def _split(item: dis.Instruction, argument: Any, place: Any, handler: Any) -> Iterator[Instruction]:
    """Yield an instruction; one that loads a global and pushes NULL, as the two that are put in its place."""
    if _pushes_null_too(item):
        both = [(_PUSHES_NULL, argument, place, handler), ("PUSH_NULL", None, place, handler)]
        yield from both if sys.version_info >= (3, 13) else both[::-1]
    else:
        yield (item.opname, argument if type(argument) is not float else repr(argument), place, handler)


def _pushes_null_too(item: dis.Instruction) -> bool:
    return item.opname == _PUSHES_NULL and item.arg is not None and bool(item.arg & 1)


def _inserted(items: list[dis.Instruction]) -> Iterator[int]:
    """Yield the numbers of the instructions that ask for values."""
    by_offset = {item.offset: index for index, item in enumerate(items)}
    for index, item in enumerate(items):
        if item.argval != CASE:
            continue
        begin = index if sys.version_info >= (3, 13) else index - 1
        jump = next(at for at in range(index, len(items)) if items[at].opname == "JUMP_FORWARD")
        end = next(by_offset[at] for at in sorted(by_offset) if at >= items[jump].argval)
        yield from range(begin, end)
        reader = next(one.argval for one in items[begin:end] if _is_mark(one.argval) and one.argval != CASE)
        if reader[1] == "default":  # A parameter is loaded before, and stored behind.
            yield from (begin - 1, end)


def _is_mark(value: Any) -> bool:
    return type(value) is tuple and bool(value) and value[0] == MARK


def _codes_in(code: CodeType) -> list[CodeType]:
    """Return the functions in a code object by their places: what is rewritten lists its constants in another order."""
    inner = [one for one in code.co_consts if isinstance(one, CodeType)]
    return sorted(inner, key=lambda one: (one.co_firstlineno, one.co_qualname))


def _wanted(code: CodeType, module: str, *, is_package: bool) -> list[ValueTarget]:
    """Return every name that a module binds to something of its own, as a value."""
    bound = names_bound_in(code, module if is_package else module.rpartition(".")[0]).names
    names = [name for name, held in bound.items() if all(one is None for one in held)]
    return [ValueTarget(f"{module}:{name}", module, name) for name in names if not hasattr(builtins, name)]


def _reads_in(code: CodeType, wanted: set[str]) -> Iterator[tuple[str, int]]:
    """Yield the reads of some global names in the functions of a code object, with their lines, as `dis` has them."""
    if code.co_flags & inspect.CO_OPTIMIZED and code.co_name not in _HIDDEN:
        for item in dis.get_instructions(code):
            if item.opname == _PUSHES_NULL and item.argval in wanted and item.positions is not None:
                yield item.argval, item.positions.lineno or 0
    for inner in _codes_in(code):
        if inner.co_name not in _HIDDEN:
            yield from _reads_in(inner, wanted)


def measure(title: str, files: Files) -> bool:
    """Compare files, print the result, and tell whether all is the same."""
    tally = Tally()
    for name, source in files:
        tally.add(name, source)
    print(f"{title}: {tally.files} files, {tally.functions} code objects compared, {tally.reads} reads rewritten")
    return tally.tell()


if __name__ == "__main__":
    sys.exit(compare_libraries(__doc__, measure))

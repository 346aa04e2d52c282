"""Compares what one look along a body tells with what the extractor tells. Needs nothing but the standard library."""

from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType, ModuleType

from spearmint.discovery import calls_in_code
from spearmint.discovery.reach.call_graph import reach
from spearmint.discovery.reach.fast_scan import fast_scan
from spearmint.discovery.table_builder import is_hidden


def disagreements(files: Iterable[tuple[str, bytes]]) -> tuple[int, int, list[str]]:
    """Count the functions in files, and those for which one look is enough; say for which it tells wrongly.

    Args:
        files: Names and sources.
    """
    functions = seen = 0
    wrong = []
    for name, source in files:
        for code in _functions_in(compile(source, name, "exec", dont_inherit=True)):
            functions += 1
            glance = fast_scan(code)
            if glance is None:
                continue
            seen += 1
            told = {".".join((root, *attributes)) for root, attributes in (*glance.calls, *glance.other_names)}
            calls = {".".join((root, *attributes)) for root, attributes in glance.calls}
            (table,) = calls_in_code(code).values()
            first = code.co_varnames[0] if code.co_argcount else ""
            if missing := _resolvable(table.targets | table.references, code, first) - told:
                wrong.append(f"{name}:{code.co_firstlineno} {code.co_qualname} does not show {missing}")
            # `table[0](x)` loads `table` as if to call it, in 3.11.
            if strange := {call for call in calls - table.targets if "." in call}:
                wrong.append(f"{name}:{code.co_firstlineno} {code.co_qualname} shows {strange}")
    return functions, seen, wrong


def _functions_in(code: CodeType) -> Iterator[CodeType]:
    waiting = [code]
    while waiting:
        one = waiting.pop()
        waiting += [constant for constant in one.co_consts if isinstance(constant, CodeType)]
        if one.co_flags & 1 and not is_hidden(one.co_name):  # CO_OPTIMIZED: neither a module nor a class.
            yield one


def _resolvable(names: Iterable[str], code: CodeType, first: str) -> set[str]:
    """Leave out what a local variable holds, which no look at names resolves."""
    roots = ((name, name.partition(".")[0]) for name in names)
    return {name for name, root in roots if "(" not in name and (root == first or root not in code.co_varnames)}


PROGRAM = """
import functools
def last(): pass
def held(): pass
def handed(): pass
class Base:
    def step(self): last()
class Shop(Base):
    def step(self): return super().step()
    def __call__(self): return self.step()
shop = Shop()
partial = functools.partial(held)
def root(x):
    def nested(): return shop()
    return nested(), partial(), max(x, key=handed), [y for y in x]
"""


def reached() -> list[str]:
    """Return what a small program reaches."""
    module = ModuleType("shop")
    exec(compile(PROGRAM, "shop", "exec"), vars(module))
    root = vars(module)["root"]
    assert type(root) is FunctionType
    return [node.name.partition(":")[2] for node in reach(root).nodes]


REACHED = ["root", "held", "handed", "Shop.__call__", "Shop.step", "Base.step", "last"]

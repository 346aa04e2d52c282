"""One pass over a code object: the symbolic stack along every way that control may take."""

import dis
from collections.abc import Iterator
from types import CodeType

from spearmint.discovery.abstract_values import Value, merge
from spearmint.discovery.bytecode.opcodes import OpcodeEffect
from spearmint.discovery.bytecode.stack_effects import FLOWS, STEPS
from spearmint.discovery.bytecode.symbolic_stack import SymbolicStack
from spearmint.discovery.table_builder import ScopeCalls

_EXTENDED_ARG = dis.EXTENDED_ARG


def loaded_code(code: CodeType, scope: ScopeCalls) -> list[tuple[CodeType, tuple[int, int]]]:
    """Run a code object over names, and note its calls.

    Returns:
        The code objects that the code loads, each with line and column of the place.

    Raises:
        ValueError: If the code holds opcodes that the compiler does not emit.
    """
    run = _Run(code, scope)
    run.run()
    return run.stack.children


class _Run:
    """The state of a pass.

    Each instruction is run once, in the order of the code. That is enough, because each join that merges the values of
    one expression lies behind its branches, and what lies on the stack of a loop is the same on each round.
    """

    __slots__ = ("handlers", "joins", "raw", "seen", "stack", "starts")

    def __init__(self, code: CodeType, scope: ScopeCalls) -> None:
        self.stack = SymbolicStack(code, scope)
        self.raw = code.co_code
        self.seen = bytearray(len(self.raw))
        self.joins: dict[int, list[Value]] = {0: []}
        self.handlers = {start: handler for start, *handler in _exception_table(code.co_exceptiontable)}
        self.starts = [0]

    def run(self) -> None:
        """Run everything that can be reached."""
        while self.starts:
            self._run_from(self.starts.pop())

    def _run_from(self, offset: int) -> None:
        stack, raw, joins, seen, handlers = self.stack, self.raw, self.joins, self.seen, self.handlers
        end = len(raw)
        reached = False
        extended = 0
        while offset < end:
            opcode = raw[offset]
            if not opcode or seen[offset]:  # Opcode 0 is CACHE: room for the interpreter's own use.
                reached = reached and not opcode
                offset += 2
                continue
            if offset in joins:
                joined = joins[offset]
                stack.values = list(map(merge, stack.values, joined)) if reached else list(joined)
                reached = True
            elif not reached:
                offset += 2
                continue
            seen[offset] = 1
            if offset in handlers:
                target, depth, pushed = handlers[offset]
                self._lead_to(target, offset, [*stack.values[:depth], *[None] * pushed])
            argument = raw[offset + 1] | extended
            extended = argument << 8 if opcode == _EXTENDED_ARG else 0
            stack.offset = offset
            offset += 2
            effect = FLOWS[opcode]
            if effect is None:
                STEPS[opcode](stack, argument)
            else:
                reached = self._leave(effect, opcode, argument)

    def _leave(self, effect: OpcodeEffect, opcode: int, argument: int) -> bool:
        """Follow an instruction after which control may go elsewhere; tell whether it may also go on."""
        if effect.flow == "end":
            return False
        stack, raw = self.stack, self.raw
        before = list(stack.values)
        STEPS[opcode](stack, argument)
        if effect.on_jump is None:
            taken = list(stack.values)
        else:
            pops, pushes = effect.on_jump
            taken = [*before[: len(before) - pops], *[None] * pushes]
        following = stack.offset + 2
        while following < len(raw) and not raw[following]:
            following += 2
        target = following + (-2 if effect.backward else 2) * argument
        self._lead_to(target, stack.offset, taken)
        return effect.flow == "branch"

    def _lead_to(self, target: int, origin: int, values: list[Value]) -> None:
        """Note with which stack control may go somewhere."""
        if self.seen[target]:
            return
        joined = self.joins.get(target)
        self.joins[target] = values if joined is None else list(map(merge, joined, values))
        if target < origin:
            self.starts.append(target)


def _exception_table(table: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Read where each guarded range starts, its handler, and what that finds: values kept, and values pushed."""
    entries = iter(table)
    for first in entries:
        start = _read_varint(first, entries) * 2
        _read_varint(next(entries), entries)
        target = _read_varint(next(entries), entries) * 2
        depth_and_lasti = _read_varint(next(entries), entries)
        yield start, target, depth_and_lasti >> 1, 1 + (depth_and_lasti & 1)


def _read_varint(first: int, rest: Iterator[int]) -> int:
    # Six bits a byte, the highest first; 64 says that more follow. 128 marks the start of an entry.
    value = first & 63
    while first & 64:
        first = next(rest)
        value = (value << 6) | (first & 63)
    return value

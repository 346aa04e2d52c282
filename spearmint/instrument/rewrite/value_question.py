"""The instructions with which code asks the running case for a value."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from bytecode import Instr, Label

from spearmint.instrument.rewrite.read_marks import CASE

_IS_NONE = "POP_JUMP_IF_NONE" if sys.version_info >= (3, 12) else "POP_JUMP_FORWARD_IF_NONE"


def asking(reader: tuple[str, str, str], read: Instr, *, has_owner: bool = False) -> Iterator[Any]:
    """Yield what asks the running case for the value on the stack; with ``has_owner``, of the object below it."""
    location = read.location
    outside, end = Label(), Label()

    def instruction(opcode: str, *argument: Any) -> Instr:
        return Instr(opcode, *argument, location=location)

    yield from located(called(CASE), location)
    yield instruction("COPY", 1)
    yield instruction(_IS_NONE, outside)
    # What is called comes to lie below what it is called with.
    yield from located(reversed(_callee(reader)), location)
    swaps = (5, 3, 2, 4, 2) if has_owner else (4, 2, 3)
    yield from (instruction("SWAP", depth) for depth in swaps)
    yield from located(_call(3 if has_owner else 2), location)
    yield instruction("JUMP_FORWARD", end)
    yield outside
    yield instruction("POP_TOP")
    if has_owner:
        yield instruction("SWAP", 2)
        yield instruction("POP_TOP")
    yield end


def called(callee: Any, *arguments: Instr) -> list[Instr]:
    """Return what calls a constant with what some instructions load, at no place of the source yet."""
    return [*_callee(callee), *arguments, *_call(len(arguments))]


def _callee(constant: Any) -> list[Instr]:
    made = [Instr("LOAD_CONST", constant), Instr("PUSH_NULL")]
    return made if sys.version_info >= (3, 13) else made[::-1]


def _call(count: int) -> list[Instr]:
    return [*([Instr("PRECALL", count)] if sys.version_info < (3, 12) else []), Instr("CALL", count)]


def located(made: Iterable[Instr], location: Any) -> Iterator[Instr]:
    """Yield instructions, at a place of the source."""
    for one in made:
        one.location = location
        yield one


def local_name(argument: Any) -> str:
    """Return the name of a local variable, which may be one of a cell."""
    return str(getattr(argument, "name", argument))

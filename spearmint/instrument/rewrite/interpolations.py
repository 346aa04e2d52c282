"""Template strings in code that `bytecode` assembles anew: it knows none that convert a value, and writes none at all.

It keeps the order of instructions. So each of theirs goes through it as an instruction for plain strings that takes as
many values off the stack, and is put back by its number.
"""

import dis
from collections.abc import Callable, Iterator
from types import CodeType

_PLAIN = dis.opmap["BUILD_STRING"]
_TEMPLATE = dis.opmap.get("BUILD_INTERPOLATION")  # New in CPython 3.14.


def without_interpolations(code: CodeType) -> tuple[CodeType, Callable[[CodeType], CodeType]]:
    """Return a code object that `bytecode` can read, and what puts the template strings back into what it writes."""
    raw = bytearray(code.co_code)
    places = list(_places(raw))
    arguments = [raw[place + 1] if raw[place] == _TEMPLATE else None for place in places]
    if not any(argument is not None for argument in arguments):
        return code, lambda assembled: assembled
    for place, argument in zip(places, arguments, strict=True):
        if argument is not None:
            raw[place : place + 2] = _PLAIN, 2 + (argument & 1)  # The value, its text, and perhaps a format.

    def put_back(assembled: CodeType) -> CodeType:
        written = bytearray(assembled.co_code)
        for place, argument in zip(_places(written), arguments, strict=True):
            if argument is not None and _TEMPLATE is not None:
                written[place : place + 2] = _TEMPLATE, argument
        return assembled.replace(co_code=bytes(written))

    return code.replace(co_code=bytes(raw)), put_back


def _places(raw: bytearray) -> Iterator[int]:
    return (place for place in range(0, len(raw), 2) if raw[place] in (_PLAIN, _TEMPLATE))

"""Generic definitions (PEP 695), and what rewriting them must give; nothing here needs pytest."""

from spearmint.instrument.rewrite.injected import entry
from tests.instrument.shapes import DOORS, every, rewritten, run

GENERICS = """
def alone[T](a: T) -> T:
    return a


def defaulted[T, *Ts, **P](a: T, b: int = 2, *, c: T = 3) -> T:
    return a, b, c


async def awaited[T](a: T) -> T:
    return a


type Pair[K: str] = tuple[K, K]
type Plain = Pair[str]


class Box[T: (int, str)]:
    def get[U](self, a: U) -> U:
        return a, __class__.__name__

    @staticmethod
    def still[U: int](a: U = 1) -> U:
        return a


def outer(y):
    def inner[T](a: T, b=y) -> T:
        return a, b, y

    return inner
"""

TYPE_PARAMETERS = {
    "alone": ["T"],
    "defaulted": ["T", "Ts", "P"],
    "awaited": ["T"],
    "Box.get": ["U"],
    "Box.still": ["U"],
    "outer": [],
    "outer.<locals>.inner": ["T"],
}


class Proxy:
    """Stands in for the wrapper: no function, so that nothing may treat it as one once it is there."""

    __slots__ = ("function",)

    def __init__(self, function):
        self.function = function

    def __get__(self, instance, owner=None):
        return self.function.__get__(instance, owner)

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)


def failures():
    """Run both doors, and return what is not as it must be."""
    found = []
    for door in DOORS:
        seen = {}

        def declare(function, module, name, seen=seen):
            seen[name] = [one.__name__ for one in function.__type_params__]
            return Proxy(function)

        before, entry.on_function = entry.on_function, declare
        try:
            module = run(rewritten(GENERICS, door, every)[0])
            results = (
                module.alone(1),
                module.defaulted(1),
                module.Box().get(1),
                module.Box.still(),
                module.outer(2)(1),
                module.Plain.__value__.__origin__.__name__,
                [one.__bound__ for one in module.Pair.__type_params__],
                [one.__constraints__ for one in module.Box.__type_params__],
            )
        finally:
            entry.on_function = before
        if seen != TYPE_PARAMETERS:
            found.append(f"{door}: type parameters when declared {seen}")
        if results != (1, (1, 2, 3), (1, "Box"), 1, (1, 2, 2), "Pair", [str], [(int, str)]):
            found.append(f"{door}: results {results}")
        kinds = {type(one) for one in (module.alone, module.defaulted, module.awaited, vars(module.Box)["get"])}
        if kinds != {Proxy}:
            found.append(f"{door}: what the names hold {kinds}")
    return found

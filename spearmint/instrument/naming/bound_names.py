"""What the body of a module or class binds its names to, read from its code."""

import dis
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType
from typing import Any

from spearmint.instrument.naming.bound_values import (
    BoundNames,
    BoundValue,
    ClassBody,
    FunctionDefinition,
    ImportedAttribute,
    ImportedModule,
    Reference,
)

_LOADS = frozenset({"LOAD_NAME", "LOAD_GLOBAL", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_GLOBALS"})
_STORES = frozenset({"STORE_NAME", "STORE_GLOBAL", "STORE_FAST", "STORE_DEREF"})
_CONSTANTS = frozenset({"LOAD_CONST", "LOAD_SMALL_INT", "LOAD_COMMON_CONSTANT"})
_UNTOUCHED = frozenset({"CACHE", "EXTENDED_ARG", "NOP", "NOT_TAKEN", "PRECALL", "RESUME"})
_DEFAULTS, _KEYWORD_DEFAULTS = 1, 2
_ATTRIBUTES_OF_FUNCTIONS = (8, 4, _KEYWORD_DEFAULTS, _DEFAULTS)  # The last one pushed comes first.
_GENERIC = "<generic parameters of "

LAMBDA = "<lambda>"


@dataclass(frozen=True, slots=True)
class _Constant:
    value: Any


@dataclass(frozen=True, slots=True)
class _Tuple:
    """Several values, those of a call's positional parameters or of a mapping."""

    items: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Mapping:
    """Values by name."""

    items: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Imported:
    """A module of which names are imported."""

    name: str


_BOUND = (ImportedModule, ImportedAttribute, Reference, FunctionDefinition, ClassBody)
_BUILD = object()


def names_bound_in(code: CodeType, package: str) -> BoundNames:
    """Read what the code of a module or class binds its names to.

    The code is gone through from top to bottom, over whatever jumps there are: what stands in the branches of a
    condition is bound in each of them.

    Args:
        code: The code of the module, or of the body of the class.
        package: The package that relative imports start from.
    """
    reading = _Reading(package)
    reading.read(code)
    return reading.found


class _Reading:
    """One pass over a body, with what lies on the stack as far as it has a name."""

    def __init__(self, package: str) -> None:
        self.found = BoundNames()
        self._package = package
        self._stack: list[Any] = []
        self._keywords = 0

    def read(self, code: CodeType) -> Any:
        """Read all of a body, and return what it gives back in the end."""
        returned = None
        for instruction in dis.get_instructions(code):
            name = instruction.opname
            step = _STEPS.get(name)
            if step is not None:
                step(self, instruction.argval)
            elif name in _LOADS:
                self._push_loaded(instruction, Reference(instruction.argval))
            elif name == "LOAD_ATTR":
                self.load_attribute(instruction.argval)
                self._stack += [None] * _effect(instruction)
            elif name in _CONSTANTS:
                self.push(_Constant(instruction.argval))
            elif name in _STORES:
                self.found.names.setdefault(instruction.argval, []).append(_bound(self._pop()))
            elif name == "RETURN_VALUE":
                returned = self._pop()
            elif "IMPORT_STAR" in instruction.argrepr:  # An intrinsic function, from CPython 3.12 on.
                self.import_star(None)
                self.push(None)
            elif name not in _UNTOUCHED:
                self._apply(instruction)
        return returned

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self._stack.append(value)

    def _pop(self) -> Any:
        return self._stack.pop() if self._stack else None

    def _top(self, value: Any) -> None:
        if self._stack:
            self._stack[-1] = value
        else:
            self._stack.append(value)

    def _push_loaded(self, instruction: dis.Instruction, value: Any) -> None:
        self._stack += [value, *[None] * (_effect(instruction) - 1)]

    def _apply(self, instruction: dis.Instruction) -> None:
        """Do what any other instruction does: what it pushes has no name."""
        effect = _effect(instruction)
        if effect > 0:
            self._stack += [None] * effect
            return
        if effect:
            del self._stack[effect:]
        # What is subscribed or joined keeps its name: `Generic[T]` is Generic.
        if not instruction.opname.startswith(("POP_", "STORE_", "BINARY_", "DELETE_", "JUMP_", "LIST_", "KW_")):
            self._top(None)

    def load_attribute(self, name: str) -> None:
        value = self._stack[-1] if self._stack else None
        self._top(Reference(f"{value.path}.{name}") if isinstance(value, Reference) else None)

    def load_method(self, name: str) -> None:
        self.load_attribute(name)
        self._stack.append(None)

    def make_function(self, flags: int | None) -> None:
        made = self._pop()
        given = [(flag, self._pop()) for flag in _ATTRIBUTES_OF_FUNCTIONS if (flags or 0) & flag]
        function = FunctionDefinition(made.value) if isinstance(made, _Constant) else None
        for flag, value in given:
            self._note_defaults(function, flag, value)
        self._stack.append(function)

    def set_function_attribute(self, flag: int) -> None:
        function = self._pop()
        self._note_defaults(function, flag, self._stack[-1] if self._stack else None)
        self._top(function)

    def _note_defaults(self, function: Any, flag: int, value: Any) -> None:
        if not isinstance(function, FunctionDefinition):
            return
        code = function.code
        given: dict[str, Any] = {}
        if flag == _DEFAULTS and isinstance(value, _Tuple):
            names = code.co_varnames[: code.co_argcount]
            given = dict(zip(names[len(names) - len(value.items) :], value.items, strict=False))
        elif flag == _KEYWORD_DEFAULTS and isinstance(value, _Mapping):
            given = value.items
        for name, one in given.items():
            if isinstance(one, Reference):
                self.found.defaults.append((code, name, one.path))

    def _take(self, count: int) -> list[Any]:
        taken = self._stack[len(self._stack) - count :] if count else []
        del self._stack[len(self._stack) - count :]
        return taken

    def build_tuple(self, count: int) -> None:
        self._stack.append(_Tuple(tuple(self._take(count))))

    def build_map(self, count: int) -> None:
        taken = self._take(2 * count)
        keys = [str(one.value) if isinstance(one, _Constant) else "" for one in taken[::2]]
        self._stack.append(_Mapping(dict(zip(keys, taken[1::2], strict=False))))

    def build_constant_map(self, count: int) -> None:
        keys = self._pop()
        taken = self._take(count)
        named = keys.value if isinstance(keys, _Constant) and isinstance(keys.value, tuple) else ()
        self._stack.append(_Mapping(dict(zip(named, taken, strict=False))))

    def name_keywords(self, names: Any) -> None:
        self._keywords = len(names) if isinstance(names, tuple) else 0

    def call_with_keywords(self, count: int) -> None:
        names = self._pop()
        self._keywords = len(names.value) if isinstance(names, _Constant) else 0
        self.call(count)

    def call(self, count: int) -> None:
        keywords, self._keywords = self._keywords, 0
        arguments = self._stack[len(self._stack) - count :] if count else []
        del self._stack[len(self._stack) - count :]
        below = self._stack[-2:]
        del self._stack[-2:]
        self._stack.append(self._result(below, arguments[: count - keywords]))

    def _result(self, below: list[Any], arguments: list[Any]) -> Any:
        if _BUILD in below and len(arguments) > 1 and isinstance(arguments[0], FunctionDefinition):
            bases = (one.path if isinstance(one, Reference) else None for one in arguments[2:])
            return ClassBody(arguments[0].code, tuple(bases))
        if arguments:
            return None
        # A decorator is called with what it decorates where else the instance of a method stands.
        made = next((one for one in reversed(below) if isinstance(one, FunctionDefinition | ClassBody)), None)
        if isinstance(made, FunctionDefinition) and made.code.co_name.startswith(_GENERIC):
            return _Reading(self._package).read(made.code)
        if isinstance(made, FunctionDefinition) and made.code.co_name == LAMBDA:
            return None  # It is called at once.
        return made

    def import_module(self, name: str) -> None:
        names, level = self._pop(), self._pop()
        depth = level.value if isinstance(level, _Constant) and isinstance(level.value, int) else 0
        module = _absolute(name, depth, self._package)
        has_names = isinstance(names, _Constant) and bool(names.value)
        self._stack.append(_Imported(module) if has_names else ImportedModule(module.partition(".")[0]))

    def import_from(self, name: str) -> None:
        module = self._stack[-1] if self._stack else None
        if isinstance(module, _Imported):
            self._stack.append(ImportedAttribute(module.name, name))
        else:  # `import a.b as c`
            self._stack.append(ImportedModule(f"{module.name}.{name}") if isinstance(module, ImportedModule) else None)

    def import_star(self, _argument: Any) -> None:
        module = self._pop()
        if isinstance(module, _Imported):
            self.found.stars.append(module.name)

    def swap(self, depth: int) -> None:
        if len(self._stack) >= depth:
            self._stack[-1], self._stack[-depth] = self._stack[-depth], self._stack[-1]

    def copy(self, depth: int) -> None:
        self._stack.append(self._stack[-depth] if len(self._stack) >= depth else None)


_STEPS: dict[str, Callable[[_Reading, Any], object]] = {
    "BUILD_CONST_KEY_MAP": _Reading.build_constant_map,
    "BUILD_MAP": _Reading.build_map,
    "BUILD_TUPLE": _Reading.build_tuple,
    "CALL": _Reading.call,
    "CALL_KW": _Reading.call_with_keywords,
    "COPY": _Reading.copy,
    "IMPORT_FROM": _Reading.import_from,
    "IMPORT_NAME": _Reading.import_module,
    "IMPORT_STAR": _Reading.import_star,
    "KW_NAMES": _Reading.name_keywords,
    "LOAD_BUILD_CLASS": lambda reading, _: reading.push(_BUILD),
    "LOAD_METHOD": _Reading.load_method,
    "MAKE_FUNCTION": _Reading.make_function,
    "PUSH_NULL": lambda reading, _: reading.push(None),
    "SET_FUNCTION_ATTRIBUTE": _Reading.set_function_attribute,
    "SWAP": _Reading.swap,
}


def _effect(instruction: dis.Instruction) -> int:
    argument = instruction.arg if instruction.opcode >= dis.HAVE_ARGUMENT else None
    return dis.stack_effect(instruction.opcode, argument, jump=False)


def _bound(value: Any) -> BoundValue:
    return (
        value
        if isinstance(value, ImportedModule | ImportedAttribute | Reference | FunctionDefinition | ClassBody)
        else None
    )


def _absolute(name: str, level: int, package: str) -> str:
    if not level:
        return name
    parts = package.split(".")
    above = ".".join(parts[: len(parts) - level + 1])
    return f"{above}.{name}" if name else above

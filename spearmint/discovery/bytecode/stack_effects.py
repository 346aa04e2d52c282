"""What each opcode of the running version does to the symbolic stack."""

import dis
import sys
from collections.abc import Callable, Mapping
from types import CodeType
from typing import TypeAlias

from spearmint.discovery.abstract_values import Marker, Value, attribute, container_of
from spearmint.discovery.bytecode.opcodes import VERSIONS, Action, OpcodeEffect
from spearmint.discovery.bytecode.symbolic_stack import SymbolicStack

StackEffect: TypeAlias = Callable[[SymbolicStack, int], None]


def _shape(effect: OpcodeEffect) -> StackEffect:
    pops, pushed = effect.pops, [None] * effect.pushes
    if not pops and not pushed:
        return lambda _stack, _argument: None
    if not pops:
        return lambda stack, _argument: stack.values.extend(pushed)

    def step(stack: SymbolicStack, _argument: int) -> None:
        stack.values[-pops:] = pushed

    return step


def _pop_arg(_effect: OpcodeEffect) -> StackEffect:
    def step(stack: SymbolicStack, argument: int) -> None:
        stack.pop(argument)
        stack.values.append(None)

    return step


def _pop_flags(effect: OpcodeEffect) -> StackEffect:
    pushed = Marker.INTERNAL if effect.action == "internal_flags" else None

    def step(stack: SymbolicStack, argument: int) -> None:
        stack.pop(effect.pops + (argument & effect.mask).bit_count())
        stack.values.append(pushed)

    return step


def _internal(effect: OpcodeEffect) -> StackEffect:
    def step(stack: SymbolicStack, _argument: int) -> None:
        stack.pop(effect.pops)
        stack.values.append(Marker.INTERNAL)

    return step


def _common_constant(effect: OpcodeEffect) -> StackEffect:
    return lambda stack, argument: stack.values.append(None if argument >= effect.mask else Marker.INTERNAL)


def _unpack(effect: OpcodeEffect) -> StackEffect:
    starred = effect.action == "unpack_ex"

    def step(stack: SymbolicStack, argument: int) -> None:
        count = (argument & 0xFF) + 1 + (argument >> 8) if starred else argument
        stack.values[-1:] = [None] * count

    return step


def _push(*pushed: Value) -> Callable[[OpcodeEffect], StackEffect]:
    return lambda _effect: lambda stack, _argument: stack.values.extend(pushed)


def _special(_effect: OpcodeEffect) -> StackEffect:
    def step(stack: SymbolicStack, _argument: int) -> None:
        stack.values[-1:] = (Marker.INTERNAL, Marker.SELF)

    return step


def _copy(_effect: OpcodeEffect) -> StackEffect:
    return lambda stack, argument: stack.values.append(stack.values[-argument])


def _swap(_effect: OpcodeEffect) -> StackEffect:
    def step(stack: SymbolicStack, argument: int) -> None:
        values = stack.values
        values[-1], values[-argument] = values[-argument], values[-1]

    return step


def _keep(effect: OpcodeEffect) -> StackEffect:
    def step(stack: SymbolicStack, argument: int) -> None:
        if argument != effect.mask:
            stack.values[-1] = None

    return step


def _const(_effect: OpcodeEffect) -> StackEffect:
    def step(stack: SymbolicStack, argument: int) -> None:
        constant = stack.consts[argument]
        if isinstance(constant, CodeType):
            stack.children.append((constant, stack.position()))
        stack.values.append(None)

    return step


def _name(_effect: OpcodeEffect) -> StackEffect:
    return lambda stack, argument: stack.values.append(stack.names[argument])


def _local(_effect: OpcodeEffect) -> StackEffect:
    return lambda stack, argument: stack.values.append(stack.locals[argument])


def _name_from(_effect: OpcodeEffect) -> StackEffect:
    def step(stack: SymbolicStack, argument: int) -> None:
        stack.values[-1] = stack.names[argument]

    return step


def _local_from(_effect: OpcodeEffect) -> StackEffect:
    def step(stack: SymbolicStack, argument: int) -> None:
        stack.values[-1] = stack.locals[argument]

    return step


def _global_below(_effect: OpcodeEffect) -> StackEffect:
    def step(stack: SymbolicStack, argument: int) -> None:
        if argument & 1:
            stack.values.append(Marker.NULL)
        stack.values.append(stack.names[argument >> 1])

    return step


def _global_above(_effect: OpcodeEffect) -> StackEffect:
    def step(stack: SymbolicStack, argument: int) -> None:
        stack.values.append(stack.names[argument >> 1])
        if argument & 1:
            stack.values.append(Marker.NULL)

    return step


def _two_locals(_effect: OpcodeEffect) -> StackEffect:
    return lambda stack, argument: stack.values.extend((stack.locals[argument >> 4], stack.locals[argument & 15]))


def _store_then_local(_effect: OpcodeEffect) -> StackEffect:
    def step(stack: SymbolicStack, argument: int) -> None:
        stack.values[-1] = stack.locals[argument & 15]

    return step


def _attribute(_effect: OpcodeEffect) -> StackEffect:
    def step(stack: SymbolicStack, argument: int) -> None:
        stack.values[-1] = attribute(stack.values[-1], stack.names[argument])

    return step


def _method(_effect: OpcodeEffect) -> StackEffect:
    def step(stack: SymbolicStack, argument: int) -> None:
        stack.values[-1:] = (attribute(stack.values[-1], stack.names[argument]), Marker.SELF)

    return step


def _attribute_or_method(_effect: OpcodeEffect) -> StackEffect:
    def step(stack: SymbolicStack, argument: int) -> None:
        stack.values[-1] = attribute(stack.values[-1], stack.names[argument >> 1])
        if argument & 1:
            stack.values.append(Marker.SELF)

    return step


def _super(_effect: OpcodeEffect) -> StackEffect:
    # The argument: 1 asks for a method, 2 says that the source gave both arguments of `super`.
    def step(stack: SymbolicStack, argument: int) -> None:
        callee, *arguments = stack.pop(3)
        line, column = stack.position()
        value = stack.scope.call(line, column, callee, arguments if argument & 2 else ())
        stack.values.append(attribute(value, stack.names[argument >> 2]))
        if argument & 1:
            stack.values.append(Marker.SELF)

    return step


def _build(effect: OpcodeEffect) -> StackEffect:
    # A map has two values for each unit of the argument; with a constant tuple of keys, that tuple lies on top.
    factor = 2 if effect.action == "build_map" else 1
    keys = 1 if effect.action == "build_const_key_map" else 0

    def step(stack: SymbolicStack, argument: int) -> None:
        stack.values.append(container_of(None, stack.pop(factor * argument + keys)))

    return step


def _add(effect: OpcodeEffect) -> StackEffect:
    def step(stack: SymbolicStack, argument: int) -> None:
        added = stack.pop(effect.pops)
        # Deeper than 1 lies the result of a comprehension, below its iterator.
        if argument == 1:
            stack.values[-1] = container_of(stack.values[-1], added)

    return step


def _extend(_effect: OpcodeEffect) -> StackEffect:
    def step(stack: SymbolicStack, argument: int) -> None:
        others = stack.pop(1)
        stack.values[-argument] = container_of(stack.values[-argument], (), others)

    return step


def _call(_effect: OpcodeEffect) -> StackEffect:
    return lambda stack, argument: stack.call(stack.pop(argument), [])


def _call_kw(_effect: OpcodeEffect) -> StackEffect:
    def step(stack: SymbolicStack, argument: int) -> None:
        stack.pop(1)
        stack.call(stack.pop(argument), [])

    return step


def _call_ex(_effect: OpcodeEffect) -> StackEffect:
    return lambda stack, argument: stack.call([], stack.pop(1 + (argument & 1)))


def _call_ex_null(_effect: OpcodeEffect) -> StackEffect:
    return lambda stack, _argument: stack.call([], stack.pop(2))


_ACTIONS: Mapping[Action, Callable[[OpcodeEffect], StackEffect]] = {
    "shape": _shape,
    "pop_arg": _pop_arg,
    "pop_flags": _pop_flags,
    "unpack": _unpack,
    "unpack_ex": _unpack,
    "null": _push(Marker.NULL),
    "internal": _internal,
    "internal_flags": _pop_flags,
    "common_constant": _common_constant,
    "special": _special,
    "copy": _copy,
    "swap": _swap,
    "keep": _keep,
    "const": _const,
    "name": _name,
    "global_null_below": _global_below,
    "global_null_above": _global_above,
    "local": _local,
    "local_from": _local_from,
    "name_from": _name_from,
    "two_locals": _two_locals,
    "store_then_local": _store_then_local,
    "attribute": _attribute,
    "attribute_or_method": _attribute_or_method,
    "method": _method,
    "super": _super,
    "build": _build,
    "build_map": _build,
    "build_const_key_map": _build,
    "add": _add,
    "extend": _extend,
    "call": _call,
    "call_kw": _call_kw,
    "call_ex": _call_ex,
    "call_ex_null": _call_ex_null,
}


def _unknown(stack: SymbolicStack, _argument: int) -> None:
    name = dis.opname[stack.code.co_code[stack.offset]]
    msg = f"Cannot read {stack.code.co_qualname!r}: opcode {name} is not described. Compile it without other tools."
    raise ValueError(msg)


def _by_opcode() -> tuple[list[StackEffect], list[OpcodeEffect | None]]:
    steps: list[StackEffect] = [_unknown] * 256
    flows: list[OpcodeEffect | None] = [None] * 256
    for name, effect in VERSIONS.get(sys.version_info[:2], {}).items():
        opcode = dis.opmap[name]
        steps[opcode] = _ACTIONS[effect.action](effect)
        if effect.flow != "next":
            flows[opcode] = effect
    return steps, flows


STEPS, FLOWS = _by_opcode()
"""For each opcode of the running version: what it does to the stack, and its effect if control may go elsewhere."""

"""What the opcodes of each CPython version do to the stack, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Action = Literal[
    "shape",  # pops `pops` values, pushes `pushes` unknown ones
    "pop_arg",  # pops `pops` values and one per unit of the argument, pushes one unknown value
    "pop_flags",  # pops `pops` values and one per bit of the argument that is in `mask`, pushes one unknown value
    "unpack",  # pops one value, pushes as many as the argument tells
    "unpack_ex",  # the same around a starred target: low byte before it, high byte after it
    "null",
    "internal",  # pops `pops` values, pushes something that is of the compiler's making
    "internal_flags",  # the same, popping also one value per bit of the argument that is in `mask`
    "common_constant",  # pushes something of the compiler's making; from `mask` on, a plain constant
    "special",  # pops one value, pushes a method of the interpreter's choice and its instance
    "copy",
    "swap",
    "keep",  # pushes what it pops, if the argument is `mask`
    "const",
    "name",
    "global_null_below",  # a name; the lowest bit of the argument asks for a NULL below it
    "global_null_above",  # the same with the NULL above it
    "local",
    "local_from",  # pops a mapping, then looks up a variable that may be in it
    "name_from",  # pops a mapping, then looks up a name that may be in it
    "two_locals",
    "store_then_local",
    "attribute",
    "attribute_or_method",  # the lowest bit of the argument asks for the instance beside the attribute
    "method",
    "super",
    "build",
    "build_map",
    "build_const_key_map",
    "add",  # pops `pops` values into the container that lies as deep as the argument tells
    "extend",  # pops one container into the one that lies as deep as the argument tells
    "call",
    "call_kw",  # a call with the tuple of keyword names on top
    "call_ex",  # a call with a tuple, and a dict if the argument says so
    "call_ex_null",  # a call with a tuple, and a dict or NULL
]
Flow = Literal["next", "branch", "jump", "end"]


@dataclass(frozen=True, slots=True)
class OpcodeEffect:
    """What one opcode does.

    Attributes:
        action: How it changes the stack when control goes on to the next instruction.
        pops: Values taken off, where the action asks for it.
        pushes: Values put on, where the action asks for it.
        mask: The bits, or the value, of the argument that matter, where the action asks for it.
        flow: Where control goes: on, on or to the argument's target, to that target, or out of the code.
        backward: Whether the argument counts backwards.
        on_jump: For a branch that leaves another stack when taken: values it then takes off and puts on.
    """

    action: Action = "shape"
    pops: int = 0
    pushes: int = 0
    mask: int = 0
    flow: Flow = "next"
    backward: bool = False
    on_jump: tuple[int, int] | None = None


def _shapes(names_by_shape: Mapping[tuple[int, int], str]) -> dict[str, OpcodeEffect]:
    """Describe opcodes that only pop values and push unknown ones, by how many."""
    return {
        name: OpcodeEffect(pops=pops, pushes=pushes)
        for (pops, pushes), names in names_by_shape.items()
        for name in names.split()
    }


def _each(names: str, effect: OpcodeEffect) -> dict[str, OpcodeEffect]:
    return dict.fromkeys(names.split(), effect)


_COMMON: dict[str, OpcodeEffect] = {
    **_shapes(
        {
            (0, 0): "CACHE COPY_FREE_VARS DELETE_DEREF DELETE_FAST DELETE_GLOBAL DELETE_NAME EXTENDED_ARG MAKE_CELL "
            "NOP RESUME SETUP_ANNOTATIONS",
            (0, 1): "RETURN_GENERATOR WITH_EXCEPT_START",
            (1, 0): "DELETE_ATTR POP_EXCEPT POP_TOP STORE_DEREF STORE_FAST STORE_GLOBAL STORE_NAME",
            (1, 1): "GET_AITER GET_AWAITABLE GET_ITER UNARY_INVERT UNARY_NEGATIVE UNARY_NOT YIELD_VALUE",
            (1, 2): "GET_ANEXT GET_LEN IMPORT_FROM MATCH_MAPPING MATCH_SEQUENCE PUSH_EXC_INFO",
            (2, 0): "DELETE_SUBSCR END_ASYNC_FOR STORE_ATTR",
            (2, 1): "BINARY_OP COMPARE_OP CONTAINS_OP IMPORT_NAME IS_OP",
            (2, 2): "CHECK_EG_MATCH CHECK_EXC_MATCH",
            (2, 3): "MATCH_KEYS",
            (3, 0): "STORE_SUBSCR",
            (3, 1): "MATCH_CLASS",
        }
    ),
    **_each("BUILD_SLICE BUILD_STRING", OpcodeEffect("pop_arg")),
    **_each("BUILD_LIST BUILD_SET BUILD_TUPLE", OpcodeEffect("build")),
    "BUILD_MAP": OpcodeEffect("build_map"),
    **_each("LIST_APPEND SET_ADD", OpcodeEffect("add", pops=1)),
    "MAP_ADD": OpcodeEffect("add", pops=2),
    **_each("DICT_MERGE DICT_UPDATE LIST_EXTEND SET_UPDATE", OpcodeEffect("extend")),
    "UNPACK_SEQUENCE": OpcodeEffect("unpack"),
    "UNPACK_EX": OpcodeEffect("unpack_ex"),
    "PUSH_NULL": OpcodeEffect("null"),
    "COPY": OpcodeEffect("copy"),
    "SWAP": OpcodeEffect("swap"),
    "LOAD_BUILD_CLASS": OpcodeEffect("internal"),
    "LOAD_CONST": OpcodeEffect("const"),
    "LOAD_NAME": OpcodeEffect("name"),
    **_each("LOAD_FAST LOAD_DEREF", OpcodeEffect("local")),
    "LOAD_ATTR": OpcodeEffect("attribute_or_method"),
    "CALL": OpcodeEffect("call"),
    "CALL_FUNCTION_EX": OpcodeEffect("call_ex"),
    "JUMP_FORWARD": OpcodeEffect(flow="jump"),
    **_each("JUMP_BACKWARD JUMP_BACKWARD_NO_INTERRUPT", OpcodeEffect(flow="jump", backward=True)),
    **_each("RAISE_VARARGS RERAISE RETURN_VALUE", OpcodeEffect(flow="end")),
}

_UNTIL_3_14: dict[str, OpcodeEffect] = _shapes({(1, 1): "GET_YIELD_FROM_ITER"})

_CONDITIONS = ("FALSE", "TRUE", "NONE", "NOT_NONE")

_ONLY_3_11: dict[str, OpcodeEffect] = {
    **_shapes(
        {
            (0, 0): "KW_NAMES PRECALL",
            (0, 1): "LOAD_CLOSURE",
            (1, 0): "IMPORT_STAR PRINT_EXPR",
            (1, 1): "ASYNC_GEN_WRAP UNARY_POSITIVE",
            (1, 2): "BEFORE_ASYNC_WITH BEFORE_WITH",
            (2, 1): "BINARY_SUBSCR PREP_RERAISE_STAR",
        }
    ),
    "LOAD_GLOBAL": OpcodeEffect("global_null_below"),
    "BUILD_CONST_KEY_MAP": OpcodeEffect("build_const_key_map"),
    "FORMAT_VALUE": OpcodeEffect("pop_flags", pops=1, mask=4),
    "LIST_TO_TUPLE": OpcodeEffect("keep"),
    "LOAD_ASSERTION_ERROR": OpcodeEffect("internal"),
    "LOAD_ATTR": OpcodeEffect("attribute"),
    "LOAD_METHOD": OpcodeEffect("method"),
    "LOAD_CLASSDEREF": OpcodeEffect("local"),
    "MAKE_FUNCTION": OpcodeEffect("internal_flags", pops=1, mask=15),
    "FOR_ITER": OpcodeEffect(pushes=1, flow="branch", on_jump=(1, 0)),
    "SEND": OpcodeEffect(pops=1, pushes=1, flow="branch", on_jump=(2, 1)),
    **_each("JUMP_IF_FALSE_OR_POP JUMP_IF_TRUE_OR_POP", OpcodeEffect(pops=1, flow="branch", on_jump=(0, 0))),
    **{f"POP_JUMP_FORWARD_IF_{condition}": OpcodeEffect(pops=1, flow="branch") for condition in _CONDITIONS},
    **{
        f"POP_JUMP_BACKWARD_IF_{condition}": OpcodeEffect(pops=1, flow="branch", backward=True)
        for condition in _CONDITIONS
    },
}

_SINCE_3_12: dict[str, OpcodeEffect] = {
    **_shapes(
        {
            (0, 1): "LOAD_LOCALS",
            (2, 1): "CALL_INTRINSIC_2 END_SEND",
            (3, 1): "BINARY_SLICE",
            (3, 2): "CLEANUP_THROW",
            (4, 0): "STORE_SLICE",
        }
    ),
    # 6 is INTRINSIC_LIST_TO_TUPLE: the tuple of a call with starred arguments.
    "CALL_INTRINSIC_1": OpcodeEffect("keep", mask=6),
    **_each("LOAD_FAST_AND_CLEAR LOAD_FAST_CHECK", OpcodeEffect("local")),
    "LOAD_FROM_DICT_OR_DEREF": OpcodeEffect("local_from"),
    "LOAD_FROM_DICT_OR_GLOBALS": OpcodeEffect("name_from"),
    "LOAD_SUPER_ATTR": OpcodeEffect("super"),
    # The compiler models an exhausted iterator as one more value, which END_FOR takes away together with the iterator.
    "FOR_ITER": OpcodeEffect(pushes=1, flow="branch"),
    "SEND": OpcodeEffect(pops=1, pushes=1, flow="branch"),
    **{f"POP_JUMP_IF_{condition}": OpcodeEffect(pops=1, flow="branch") for condition in _CONDITIONS},
}

_ONLY_3_12: dict[str, OpcodeEffect] = {
    **_shapes(
        {
            (0, 0): "KW_NAMES",
            (0, 1): "LOAD_CLOSURE",
            (1, 2): "BEFORE_ASYNC_WITH BEFORE_WITH",
            (2, 0): "END_FOR",
            (2, 1): "BINARY_SUBSCR",
        }
    ),
    "LOAD_GLOBAL": OpcodeEffect("global_null_below"),
    "BUILD_CONST_KEY_MAP": OpcodeEffect("build_const_key_map"),
    "FORMAT_VALUE": OpcodeEffect("pop_flags", pops=1, mask=4),
    "LOAD_ASSERTION_ERROR": OpcodeEffect("internal"),
    "MAKE_FUNCTION": OpcodeEffect("internal_flags", pops=1, mask=15),
    "RETURN_CONST": OpcodeEffect(flow="end"),
}

_SINCE_3_13: dict[str, OpcodeEffect] = {
    **_shapes(
        {
            (1, 0): "END_FOR",
            (1, 1): "CONVERT_VALUE FORMAT_SIMPLE TO_BOOL",
            (2, 0): "STORE_FAST_STORE_FAST",
            (2, 1): "FORMAT_WITH_SPEC",
        }
    ),
    # Since 3.13 the NULL of a plain call lies above the callee.
    "LOAD_GLOBAL": OpcodeEffect("global_null_above"),
    "CALL_KW": OpcodeEffect("call_kw"),
    "LOAD_FAST_LOAD_FAST": OpcodeEffect("two_locals"),
    "STORE_FAST_LOAD_FAST": OpcodeEffect("store_then_local"),
    "MAKE_FUNCTION": OpcodeEffect("internal", pops=1),
    "SET_FUNCTION_ATTRIBUTE": OpcodeEffect("internal", pops=2),
}

_ONLY_3_13: dict[str, OpcodeEffect] = {
    **_shapes({(1, 2): "BEFORE_ASYNC_WITH BEFORE_WITH", (2, 1): "BINARY_SUBSCR"}),
    "BUILD_CONST_KEY_MAP": OpcodeEffect("build_const_key_map"),
    "LOAD_ASSERTION_ERROR": OpcodeEffect("internal"),
    "RETURN_CONST": OpcodeEffect(flow="end"),
}

_SINCE_3_14: dict[str, OpcodeEffect] = {
    **_shapes({(0, 0): "NOT_TAKEN", (0, 1): "LOAD_SMALL_INT", (1, 0): "POP_ITER", (2, 1): "BUILD_TEMPLATE"}),
    "BUILD_INTERPOLATION": OpcodeEffect("pop_flags", pops=2, mask=1),
    "CALL_FUNCTION_EX": OpcodeEffect("call_ex_null"),
    "LOAD_COMMON_CONSTANT": OpcodeEffect("internal"),
    "LOAD_FAST_BORROW": OpcodeEffect("local"),
    "LOAD_FAST_BORROW_LOAD_FAST_BORROW": OpcodeEffect("two_locals"),
    "LOAD_SPECIAL": OpcodeEffect("special"),
}

_SINCE_3_15: dict[str, OpcodeEffect] = {
    # Beside an iterator lies the index of the next item, or NULL.
    **_shapes({(1, 2): "GET_ITER", (2, 0): "POP_ITER", (3, 1): "END_SEND", (4, 3): "CLEANUP_THROW"}),
    # 7 and above are None, the empty text, True, False and -1.
    "LOAD_COMMON_CONSTANT": OpcodeEffect("common_constant", mask=7),
}

VERSIONS: Mapping[tuple[int, int], Mapping[str, OpcodeEffect]] = MappingProxyType(
    {
        (3, 11): {**_COMMON, **_UNTIL_3_14, **_ONLY_3_11},
        (3, 12): {**_COMMON, **_UNTIL_3_14, **_SINCE_3_12, **_ONLY_3_12},
        (3, 13): {**_COMMON, **_UNTIL_3_14, **_SINCE_3_12, **_SINCE_3_13, **_ONLY_3_13},
        (3, 14): {**_COMMON, **_UNTIL_3_14, **_SINCE_3_12, **_SINCE_3_13, **_SINCE_3_14},
        (3, 15): {**_COMMON, **_SINCE_3_12, **_SINCE_3_13, **_SINCE_3_14, **_SINCE_3_15},
    }
)
"""The effect of each opcode that the compiler emits, by version and by name."""

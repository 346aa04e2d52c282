import ast

import pytest

from spearmint.signatures import (
    is_implicit_class_method,
    parameter_names,
    parameter_names_in_code,
    parameter_names_in_tree,
    parameters_of,
)

SOURCE = "def f(a, /, b, *args, c, **kwargs): ..."


def test_parameter_names_leave_out_variadic_ones():
    namespace = {}
    exec(SOURCE, namespace)
    names = ("a", "b", "c")
    assert parameter_names(namespace["f"]) == names
    assert parameter_names_in_code(namespace["f"].__code__) == names
    assert parameter_names_in_tree(ast.parse(SOURCE).body[0]) == names
    assert [one.name for one in parameters_of(namespace["f"])] == ["a", "b", "args", "c", "kwargs"]


def test_parameter_names_of_builtins_come_from_their_signature():
    assert parameter_names(sorted) == ("iterable", "key", "reverse")
    assert parameter_names(print) == ("sep", "end", "file", "flush")


def test_callable_without_signature_has_no_parameter_names():
    assert parameters_of(type) is None
    assert parameter_names(type) == ()


@pytest.mark.parametrize(
    ("name", "expected"), [("A.__init_subclass__", True), ("__class_getitem__", True), ("A.__init__", False)]
)
def test_implicit_class_method_is_told_by_its_name(name, expected):
    assert is_implicit_class_method(name) is expected

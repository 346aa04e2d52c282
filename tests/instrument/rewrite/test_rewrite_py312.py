"""Generic functions get their type parameters before they are wrapped: the interpreter writes these in unchecked."""

import sys

import pytest

from tests.instrument import shapes_py312


@pytest.mark.skipif(sys.version_info < (3, 12), reason="PEP 695: generic functions are new in CPython 3.12")
def test_a_generic_function_is_complete_before_it_is_wrapped():
    assert shapes_py312.failures() == []

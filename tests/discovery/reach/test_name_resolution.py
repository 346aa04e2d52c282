"""Spearmint's own functions that call what they are handed are looked through, its others are not."""

from spearmint.api import Spearmint
from spearmint.context import propagate
from spearmint.context.threads import install_thread_propagation
from spearmint.discovery.reach.name_resolution import _is_ours


def test_functions_that_call_what_they_get_are_followed():
    assert not _is_ours(propagate)
    assert not _is_ours(install_thread_propagation)
    assert _is_ours(Spearmint.run)

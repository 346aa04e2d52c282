"""Spearmint's own functions that call what they are handed are looked through, its others are not."""

from spearmint.api import Spearmint
from spearmint.context import propagate
from spearmint.context.threads import install_thread_propagation
from spearmint.discovery.reach.call_graph import reach
from spearmint.discovery.reach.name_resolution import _is_ours


def test_functions_that_call_what_they_get_are_followed():
    assert not _is_ours(propagate)
    assert not _is_ours(install_thread_propagation)
    assert _is_ours(Spearmint.run)


def test_more_defaults_than_parameters_are_read():
    def step():
        pass

    def copied(function, other=step):
        return function(), other()

    copied.__defaults__ = (None, None, step, step)  # As networkx's decorators leave them.

    assert [node.function for node in reach(copied).nodes] == [copied, step]

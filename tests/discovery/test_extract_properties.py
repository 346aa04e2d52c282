"""What holds for every program."""

import warnings
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from spearmint.discovery import calls_in_code, calls_in_source
from tests.discovery.programs import programs, runnable

pytestmark = pytest.mark.slow

UNHURRIED = settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))


def compiled(source, optimize=0):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return compile(source, "program.py", "exec", dont_inherit=True, optimize=optimize)
        except SyntaxError:
            return None


@UNHURRIED
@given(programs, st.sampled_from([0, 1]))
def test_both_extractors_find_the_same(source, optimize):
    code = compiled(source, optimize)
    assume(code is not None)
    from_source = calls_in_source(source, "program.py", optimize=optimize)
    from_code = calls_in_code(code)
    assert from_source == from_code
    assert [table.sites for table in from_source.values()] == [table.sites for table in from_code.values()]


class Recorder:
    """Something that can be called, asked for attributes and tested, and remembers by which name it was called."""

    def __init__(self, name, log, truths):
        self.__dict__.update(name=name, log=log, truths=truths)

    def __call__(self, *args, **kwargs):
        if self.name is not None:
            self.log.append(self.name)
        return Recorder(None if self.name is None or "(" in self.name else f"{self.name}()", self.log, self.truths)

    def __getattr__(self, name):
        return Recorder(None if self.name is None else f"{self.name}.{name}", self.log, self.truths)

    def __bool__(self):
        return next(self.truths, False)


@UNHURRIED
@given(runnable, st.lists(st.booleans(), max_size=20))
def test_no_call_that_happens_is_missing(source, truths):
    log = []
    values = iter(truths)
    names = {name: Recorder(name, log, values) for name in "abcdef"}
    code = compiled(source)
    with suppress(AttributeError, TypeError):  # `not a` is no recorder; what was called up to there counts.
        exec(code, names)
    for tables in (calls_in_source(source, "program.py"), calls_in_code(code)):
        table = tables["<module>"]
        assert set(log) <= table.targets | table.chained

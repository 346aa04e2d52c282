"""What makes two tables equal."""

from spearmint.discovery import CallSite, CallTable

SITE = CallSite(3, 4, "call", "f")


def test_columns_and_repetition_do_not_count():
    one = CallTable((SITE, CallSite(3, 9, "call", "f")), 1)
    other = CallTable((CallSite(3, -1, "call", "f"),), 1)
    assert one == other
    assert hash(one) == hash(other)


def test_lines_kinds_targets_and_the_first_line_count():
    table = CallTable((SITE,), 1)
    for site in (CallSite(2, 4, "call", "f"), CallSite(3, 4, "reference", "f"), CallSite(3, 4, "call", "g")):
        assert CallTable((site,), 1) != table
    assert CallTable((SITE,), 2) != table
    assert table != "a table"


def test_decorators_are_targets_and_references_are_not():
    kinds = ("call", "chained", "decorator", "reference")
    table = CallTable(tuple(CallSite(1, 0, kind, kind) for kind in kinds), 1)
    assert table.targets == {"call", "decorator"}
    assert table.references == {"reference"}
    assert table.chained == {"chained"}

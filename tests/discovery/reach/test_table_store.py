"""What import time leaves is found again by module and function."""

from spearmint.discovery import calls_in_source
from spearmint.discovery.reach.table_store import TableStore

SOURCE = """
def f(): one()
if True:
    def f(): two()
"""


def test_instrumented_package_covers_submodules_and_no_namesake():
    known = TableStore()
    known.add_packages(["shop"])
    assert [known.is_instrumented(name) for name in ("shop", "shop.rank", "shopping", "other")] == [
        True,
        True,
        False,
        False,
    ]


def test_package_added_twice_stays_until_dropped_twice():
    known = TableStore()
    known.add_packages(["shop"])
    known.add_packages(["shop"])
    known.drop_packages(["shop"])
    assert known.is_instrumented("shop")
    known.drop_packages(["shop"])
    assert not known.is_instrumented("shop")


def test_the_table_of_a_function_is_that_of_its_definition():
    known = TableStore()
    namespace = {"__name__": "shop"}
    exec(compile(SOURCE, "shop.py", "exec"), namespace)
    function = namespace["f"]
    assert known.get("shop", function.__code__) == ()
    known.put("shop", calls_in_source(SOURCE, "shop.py"))
    (table,) = known.get("shop", function.__code__)
    assert table.targets == {"two"}
    known.forget_tables("shop")
    assert known.get("shop", function.__code__) == ()

"""`spearmint check` of values: what is wrong with them, and which reads are not followed."""

import pytest

VALUES = {
    "prices__prompts___py": (
        "SYSTEM = 'Be kind.'\nDERIVED = SYSTEM + '!'\nclass Search:\n    top_k = 3\n    mark = '?'\n"
    ),
    "prices__shown___py": "from prices.prompts import SYSTEM\n",
    "prices__api___py": (
        "import prices.prompts\nfrom prices.prompts import SYSTEM, Search\n"
        "def answer(q, system=SYSTEM):\n"
        "    return SYSTEM, Search.top_k, getattr(prices.prompts, 'SYSTEM'), 0.75, 0.75\n"
    ),
}


def test_values_are_checked_with_the_places_not_followed(write, invoke):
    write(
        **VALUES,
        values___yaml="""
        packages: [prices]
        experiments:
          - {value: "prices.shown:SYSTEM", within: "prices.api:answer", configs: [{v: a}], path: v}
          - {value: "prices.prompts:Search.top_k", configs: [{v: 4}], path: v}
          - {value: "prices.api:answer#0.75", configs: [{v: 1}], path: v}
          - {value: "prices.prompts:DERIVED", configs: [{v: a}], path: v}
        """,
    )
    result = invoke("check", "values.yaml")

    assert (result.exit_code, result.stdout.partition("; ")[0]) == (0, "values.yaml: 5 entries, nothing wrong")
    assert "functions that become experiments: 1; values: 4, read in 4 places." in result.stdout
    assert "0.75 is the first of 2 in that function, in lines 4, 4" in result.stderr
    assert "or by getattr: prices.prompts, line 2; prices.api, line 4. What" in result.stderr
    assert "No code of the packages reads 'prices.prompts:DERIVED'" in result.stderr
    assert "values.yaml:7:" in result.stderr


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ('value: "prices.prompts:SYTEM"', "module 'prices.prompts' has no 'SYTEM'. Did you mean 'SYSTEM'?"),
        ('value: "prices.promts:SYSTEM"', "Cannot find the module 'prices.promts'"),
        ('value: "prices.prompts:Search.topk"', "there is no such attribute. Did you mean 'Search.top_k'?"),
        ('value: "prices.prompts:Search"', "it is a class"),
        ('value: "prices.api:answer"', "it is a function. Write 'target: prices.api:answer'"),
        ('value: "prices.api:answer#0.7"', "Did you mean 'answer#0.75' or 'answer#0.75[1]'?"),
        ('value: "prices.prompts:Search.top_k"', "it is of type int, and config"),
        ('value: "prices.prompts:SYSTEM", within: "prices.api:answr"', "Did you mean 'answer'?"),
    ],
)
def test_value_that_cannot_be_varied_is_an_error_of_check(write, invoke, entry, problem):
    write(**VALUES, values___yaml=f"packages: [prices]\nexperiments:\n  - {{{entry}, configs: [{{v: a}}], path: v}}\n")

    result = invoke("check", "values.yaml")

    assert result.exit_code == 1
    assert problem in result.stdout
    assert "values.yaml:3:" in result.stdout


CALLS = {
    "prices__calls___py": """
        from prices.prompts import SYSTEM, Search
        from prices.tools import shown as other

        def decorated(function):
            def inner(q): return function(q) + Search.mark
            return inner

        class Shop:
            def reply(self, q):
                return f"{SYSTEM} {q}"
            def __call__(self, q):
                return Search.top_k

        def by_method(shop): return shop.reply("a")
        def by_alias(): return other()
        def by_table(kind): return TABLE[kind]()
        def by_name(shop, kind): return getattr(shop, kind)()
        def alone(q): return q.upper()
        @decorated
        def wrapped(q): return q.upper()
        TABLE = {"a": lambda: by_alias()}
    """,
    "prices__tools___py": "from prices.prompts import SYSTEM\ndef shown(): return SYSTEM\n",
}


@pytest.mark.parametrize(
    ("value", "within", "is_warned"),
    [
        ("SYSTEM", "by_method", False),
        ("SYSTEM", "by_alias", False),
        ("SYSTEM", "by_table", False),
        ("SYSTEM", "by_name", False),
        ("SYSTEM", "Shop.reply", False),
        ("SYSTEM", "alone", True),
        ("Search.mark", "wrapped", False),
        ("Search.top_k", "alone", False),  # Any call may be one of `Shop.__call__`.
    ],
)
def test_within_that_reaches_no_read_is_warned_of(write, invoke, value, within, is_warned):
    write(
        **{**VALUES, **CALLS},
        values___yaml=f"""
        packages: [prices]
        experiments:
          - value: prices.prompts:{value}
            within: [prices.calls:{within}]
            configs: [{{v: {4 if "top" in value else "a"}}}]
            path: v
        """,
    )
    result = invoke("check", "values.yaml")

    assert (result.exit_code, result.stdout.partition(";")[0]) == (0, "values.yaml: 2 entries, nothing wrong")
    told = f"'prices.calls:{within}' reaches no read of 'prices.prompts:{value}'"
    assert (told in result.stderr) is is_warned
    assert ("values.yaml:5:" in result.stderr) is is_warned

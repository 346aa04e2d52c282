"""`spearmint check` of values: what is wrong with them, and which reads are not followed."""

import pytest

VALUES = {
    "prices__prompts___py": "SYSTEM = 'Be kind.'\nDERIVED = SYSTEM + '!'\nclass Search:\n    top_k = 3\n",
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

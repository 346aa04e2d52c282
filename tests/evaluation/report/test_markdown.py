from spearmint.evaluation.report.effects import Effect
from spearmint.evaluation.report.markdown import effects_markdown
from spearmint.statistics.intervals import estimate
from spearmint.statistics.paired import difference


def effect(parameter, value, shift=None):
    values = [shift or 0.0] * 30
    found = None if shift is None else difference(values, [0.0] * 30)
    return Effect(parameter, value, estimate(values), found, str(value))


def test_markdown_has_a_table_for_each_metric():
    text = effects_markdown({"right": [effect("k", 1), effect("k", 2, 0.5)], "none": []})
    assert text.splitlines() == [
        "**right**: difference from main's value, all else equal",
        "",
        "| parameter | value | mean | vs. main | p | verdict |",
        "|---|---|---|---|---|---|",
        "| k | 1 | 0 | main | |  |",
        "| k | 2 | 0.5 | +0.5 [+0.5, +0.5] | 1.9e-09 | higher |",
    ]


def test_markdown_escapes_and_bounds_what_users_write():
    text = effects_markdown({"a|b": [effect("<b>`", "x\n| y")]})
    assert r"**a\|b**" in text
    assert r"| \<b\>\` | x \| y |" in text
    long = effects_markdown({"right": [effect("k" * 100, n) for n in range(500)]})
    assert 4000 < len(long) <= 5000

import math

import pytest
from click.testing import CliRunner

from spearmint.cli import main
from spearmint.statistics.power import units_to_see, units_to_see_anytime, visible_difference


def plan(*arguments):
    return CliRunner().invoke(main, ["plan", *arguments])


def test_rows_tell_the_smallest_visible_difference():
    result = plan("--rows", "200", "--deviation", "0.3")
    assert result.exit_code == 0, result.output
    assert f"{visible_difference(0.3, 200):.4g}" in result.output


def test_several_configs_share_the_error():
    result = plan("--rows", "200", "--deviation", "0.3", "--configs", "6", "--power", "0.9")
    assert f"{visible_difference(0.3, 200, alpha=0.01, power=0.9):.4g}" in result.output


def test_passes_and_failures_depend_on_how_often_configs_differ():
    result = plan("--rows", "200")
    assert f"{visible_difference(math.sqrt(0.2), 200):.4g}" in result.output
    assert "20% of rows differ" in result.output
    assert "none: " in plan("--rows", "30").output


def test_lift_tells_units_and_days_for_both_ways_to_look():
    result = plan("--lift", "0.02", "--deviation", "0.4", "--per-day", "1000")
    once, anytime = units_to_see(0.02, 0.4), units_to_see_anytime(0.02, 0.4, horizon=5000)
    for units in (once, anytime):
        assert f"{math.ceil(units):,}" in result.output
        assert f"{math.ceil(units / 1000):,}" in result.output


def test_a_lift_beyond_sight_is_told():
    assert "too many" in plan("--lift", "1e-9", "--deviation", "1").output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [([], "--rows or --lift"), (["--rows", "9", "--lift", "1"], "one of both"), (["--lift", "0.1"], "--deviation")],
)
def test_arguments_that_ask_nothing_are_refused(arguments, message):
    result = plan(*arguments)
    assert result.exit_code == 2
    assert message in result.output

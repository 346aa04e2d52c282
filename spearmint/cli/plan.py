"""``spearmint plan``: how much data a question takes."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click
from rich.table import Table

from spearmint.cli.journal_folder import journal_folder
from spearmint.cli.output import console, examples

_DIFFERING = (0.05, 0.1, 0.2, 0.4)  # shares of the rows on which two configs differ


@click.command(
    "plan",
    epilog=examples(
        "spearmint plan --rows 200",
        "spearmint plan --rows 200 --deviation 0.3 --configs 8",
        "spearmint plan --lift 0.02 --deviation 0.4 --share 0.5 --per-day 2000",
        "spearmint plan shop.pages:checkout --metric purchase --lift 0.02 --journal journal/",
        "spearmint plan shop.pages:checkout --metric clicks/views --lift 0.01 --journal journal/",
    ),
)
@click.argument("target", required=False)
@click.option("--metric", help="An outcome that the journal of TARGET has, 'error', 'duration', or 'clicks/views'.")
@click.option("--journal", type=click.Path(path_type=Path), help="Folder of the journal; by default the settings'.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file, found as for `spearmint run`.")
@click.option("--rows", type=click.IntRange(min=2), help="Rows of an evaluation: what difference can be seen?")
@click.option("--lift", type=float, help="A difference of two arms' means: how many units does it take?")
@click.option(
    "--deviation",
    type=click.FloatRange(min=0),
    help="Standard deviation of the differences between rows; of --lift, of the metric between units.",
)
@click.option(
    "--configs", type=click.IntRange(min=2), default=2, show_default=True, help="Configs compared, main included."
)
@click.option(
    "--power",
    type=click.FloatRange(min=0.05, max=1, min_open=True, max_open=True),
    default=0.8,
    show_default=True,
    help="How likely the difference is to be found.",
)
@click.option(
    "--share",
    type=click.FloatRange(min=0, max=1, min_open=True, max_open=True),
    default=0.5,
    show_default=True,
    help="Share of the units in the one arm.",
)
@click.option(
    "--horizon", type=click.FloatRange(min=2), default=5000, show_default=True, help="Of looks at any time: in units."
)
@click.option("--per-day", type=click.FloatRange(min=0, min_open=True), help="Units that come on a day.")
def plan_command(
    *,
    target: str | None,
    metric: str | None,
    journal: Path | None,
    config: Path | None,
    rows: int | None,
    lift: float | None,
    deviation: float | None,
    configs: int,
    power: float,
    share: float,
    horizon: float,
    per_day: float | None,
) -> None:
    """Tell the smallest difference that an evaluation of some rows can show, or the units that a split test takes.

    With --rows, two configs are compared row by row. Without --deviation their scores are taken to pass or fail, and
    what can be seen depends on how often they differ. Each of several configs is compared at its share of the error
    (Bonferroni), which is a little less than what reports find by Holm's method.

    With --lift, units are of both arms together: looking once at the end, and looking at any time.

    With TARGET, "module:function", and --metric, the deviation and the units of a day are what the journal has
    measured: also less what each unit's own past explains (CUPED), and in the shadow, where both configs run for the
    same unit. A ratio of two outcomes, such as clicks/views, varies as the delta method has it.
    """
    if (rows is None) == (lift is None):
        raise click.UsageError("Give --rows or --lift, one of both.")
    alpha = 0.05 / (configs - 1)
    if rows is not None:
        console().print(_visible(rows, deviation, alpha, power))
        return
    if (target is None) != (metric is None) or (target is not None and deviation is not None):
        raise click.UsageError("TARGET and --metric go together, in place of --deviation.")
    if not lift or (deviation is None and target is None):
        raise click.UsageError("--lift takes a difference that is not 0, and --deviation of the metric between units.")
    measurements = [Measurement("", deviation or 0.0, share)]
    if target is not None and metric is not None:
        measurements, measured_per_day = _measured(journal_folder(journal, config), target, metric, share)
        per_day = per_day or measured_per_day
    console().print(_units(lift, measurements, alpha, power, horizon=horizon, per_day=per_day))


def _visible(rows: int, deviation: float | None, alpha: float, power: float) -> Table:
    from spearmint.statistics.power import visible_difference  # noqa: PLC0415 - scipy takes a second to import

    table = Table("scores", "smallest visible difference", title=f"{rows} rows, found in {power:.0%} of cases")
    if deviation is not None:
        found = visible_difference(deviation, rows, alpha=alpha, power=power)
        table.add_row(f"differences vary by {deviation:g}", f"{found:.4g}")
        return table
    for share in _DIFFERING:
        found = visible_difference(math.sqrt(share), rows, alpha=alpha, power=power)
        # Configs that differ on so many rows cannot differ by more.
        text = f"{found:.4g}" if found <= share else f"none: {found:.4g} would take more rows that differ"
        table.add_row(f"pass or fail, {share:.0%} of rows differ", text)
    return table


class Measurement(NamedTuple):
    """One measurement of a difference: what it is called, and how much it varies."""

    name: str
    deviation: float
    share: float


def _measured(journal: Path, target: str, metric: str, share: float) -> tuple[list[Measurement], float | None]:
    """Return the measurements whose spread a journal knows, and how many units come on a day."""
    from spearmint.evaluation.online.measured_spread import measured_spread  # noqa: PLC0415 - as above

    found = measured_spread(journal, target, metric)
    measurements = [
        Measurement(
            f"{metric}, which varies by {found.deviation:.4g} between {found.units:,} units", found.deviation, share
        )
    ]
    if found.adjusted is not None:
        measurements.append(
            Measurement(f"the same with covariate='before', by {found.adjusted:.4g}", found.adjusted, share)
        )
    if found.paired is not None:
        # A difference within each unit varies as that of two halves does whose units vary half as much.
        measurements.append(
            Measurement(f"in the shadow, on the same units, by {found.paired:.4g}", found.paired / 2, 0.5)
        )
    return measurements, found.per_day


def _units(
    lift: float,
    measurements: Sequence[Measurement],
    alpha: float,
    power: float,
    *,
    horizon: float,
    per_day: float | None,
) -> Table:
    from spearmint.statistics.power import units_to_see, units_to_see_anytime  # noqa: PLC0415 - as above

    has_names = any(one.name for one in measurements)
    columns = [*(["metric"] if has_names else []), "looking", "units", *(["days"] if per_day else [])]
    table = Table(*columns, title=f"{lift:g} found in {power:.0%} of cases")
    for name, deviation, share in measurements:
        fixed = units_to_see(lift, deviation, share=share, alpha=alpha, power=power)
        anytime = units_to_see_anytime(lift, deviation, horizon=horizon, share=share, alpha=alpha, power=power)
        for looking, units in (("once, at the end", fixed), ("at any time", anytime)):
            table.add_row(*([name] if has_names else []), looking, *_cells(units, per_day))
    return table


def _cells(units: float, per_day: float | None) -> Iterator[str]:
    if math.isinf(units):
        yield from ("too many", *(["-"] if per_day else []))
        return
    yield f"{math.ceil(units):,}"
    if per_day:
        yield f"{math.ceil(units / per_day):,}"

"""What to do after an evaluation: which config to take by a metric, how sure that is, and what it costs."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spearmint.evaluation.race import RaceOutcome
from spearmint.evaluation.report.labels import seconds_text
from spearmint.evaluation.report.raced import confirmation_of
from spearmint.evaluation.report.scales import number, percent
from spearmint.evaluation.report.summary import Summary
from spearmint.evaluation.run.result_table import ResultTable
from spearmint.evaluation.spending import usd_text
from spearmint.render import counted
from spearmint.statistics.paired import Difference


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do by one metric.

    Attributes:
        metric: Its name.
        head: What to do, in a few words.
        reasons: Why: how far from main, how sure, at what cost and latency, in sentences.
        is_clear: Whether the data are enough to say so.
    """

    metric: str
    head: str
    reasons: Sequence[str]
    is_clear: bool


@dataclass(frozen=True, slots=True)
class Leader:
    """The best case by a metric, and main.

    Attributes:
        label: How the best one is named.
        best: What it did.
        main: What main did.
        lower: Whether less of the metric is better.
    """

    label: str
    best: Summary
    main: Summary
    lower: bool


def advice_of(
    found: Leader, position: int, results: ResultTable, race: RaceOutcome | None, costs: Sequence[Summary] | None
) -> Advice:
    """Return what to do by a metric: take the best case, or keep main.

    Args:
        found: The best case.
        position: Its position.
        results: What came of the cells.
        race: How cases have raced; None where all ran on all rows.
        costs: What a call of each case cost; None where that is not known.
    """
    metric, others = found.best.metric, results.shape[0] - 1
    usd = None if costs is None else (costs[position].estimate.value, costs[0].estimate.value)
    expenses = list(_expenses(found, usd))
    if found.best.is_main:
        return Advice(metric, f"Keep main: {found.label}", [_why_main(found, race, others), *expenses], is_clear=True)
    is_confirmation = race is not None and race.race.metric == metric and race.winner == position
    difference = confirmation_of(results, race, metric) if race and is_confirmation else found.best.difference
    is_better = difference is not None and difference.verdict == ("lower" if found.lower else "higher")
    means = f"Its mean is {_mean(found.best)}, main's {number(found.main.estimate.value)}."
    certainty = _certainty(difference, found.label, is_better=is_better, is_confirmation=is_confirmation, others=others)
    reasons = [means, *_failures(found.best), *certainty, *expenses]
    head = f"Take {found.label}" if is_better else f"Keep main for now: {found.label} looks best, which is not certain"
    return Advice(metric, head, reasons, is_clear=is_better)


def _why_main(found: Leader, race: RaceOutcome | None, others: int) -> str:
    mean = f"Its mean is {_mean(found.main)}"
    if not others:
        return f"{mean}; there is no other config."
    if race is not None and race.race.metric == found.best.metric:
        return f"{mean}; it has won the race."
    return f"{mean}; no other config has a {'lower' if found.lower else 'higher'} one."


def _failures(best: Summary) -> Iterator[str]:
    if best.errors:
        cells = "cell has" if best.errors == 1 else "cells have"
        yield f"{best.errors:,} of its {cells} no value, as something failed; its mean leaves them out."


def _certainty(
    difference: Difference | None, label: str, *, is_better: bool, is_confirmation: bool, others: int
) -> Iterator[str]:
    """Say how far the best case is from main, and whether rows that did not choose it confirm that."""
    if difference is None:
        yield "No rows were held out to confirm it."
        return
    interval = ""
    if not math.isnan(difference.low):
        interval = f" ({percent(difference.confidence)} interval {difference.low:+.3g} to {difference.high:+.3g})"
    away = f"{difference.value:+.3g}{interval}"
    verdict = difference.shortage or difference.verdict
    if is_confirmation:
        told = "Confirmed" if is_better else "Not confirmed"
        yield f"{told} on {counted(difference.n, 'row')} held out: {away} against main, {verdict}."
        return
    yield f"Against main: {away} on {counted(difference.n, 'row')}, {verdict}."
    if others > 1:
        yield f"Not confirmed: these same rows chose {label} from {others + 1} configs, which flatters its mean."


def _expenses(found: Leader, usd: tuple[float, float] | None) -> Iterator[str]:
    """Say what a call costs and how long it takes, beside main's."""
    parts = []
    if usd is not None and not math.isnan(usd[0]):
        parts.append(("A call costs", usd_text(usd[0]), usd_text(usd[1])))
    if not math.isnan(found.best.p50):
        parts.append(("half of the calls end within", seconds_text(found.best.p50), seconds_text(found.main.p50)))
    told = [f"{what} {ours}" if found.best.is_main else f"{what} {ours} (main: {mains})" for what, ours, mains in parts]
    if told:
        text = "; ".join(told)
        yield f"{text[0].upper()}{text[1:]}."


def _mean(one: Summary) -> str:
    found = one.estimate
    interval = "" if math.isnan(found.low) else f" (95 % interval {number(found.low)} to {number(found.high)})"
    return f"{number(found.value)}{interval}"

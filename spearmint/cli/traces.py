"""``spearmint traces``: what each case did, of what MLflow has recorded."""

import importlib
import json
import math
import re
import statistics as plain_statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from spearmint.cli.output import console, examples, fail
from spearmint.errors import SpearmintError
from spearmint.redaction import redactor
from spearmint.render import counted
from spearmint.statistics.intervals import Estimate, wilson

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_FILTERS = ("experiment", "config_id", "case_id", "role", "differs", "since")
_PAIRS = 5
_PIPE_WIDTH = 10_000  # No line of a table is folded where no terminal shows it.


class Ago(click.ParamType[float]):
    """A span of time such as ``90s``, ``30m``, ``1h``, ``7d`` or ``2w``, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        if isinstance(value, int | float):
            return float(value)
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", str(value))
        if match is None:
            self.fail(f"{value!r} is no span of time. Give a number and s, m, h, d or w, such as 30m.", param, ctx)
        return float(match[1]) * _UNITS[match[2]]


@dataclass(frozen=True, slots=True)
class Line:
    """What one case of one experiment did, in one role.

    Attributes:
        experiment: Name of the experiment.
        case_id: The case.
        config_id: The config of that experiment.
        parameters: What varies in the configs of the case, by path.
        role: ``"main"`` or ``"variant"``.
        executions: How many there are.
        errors: How many of them ended otherwise than they should.
        p50: Median duration, in seconds.
        p95: The duration that 95 % do not exceed.
        compared: How many were compared with main.
        equal: How often the result was main's; None where nothing was compared.
    """

    experiment: str
    case_id: str
    config_id: str
    parameters: Mapping[str, Any]
    role: str
    executions: int
    errors: int
    p50: float
    p95: float
    compared: int
    equal: Estimate | None


@click.command(
    "traces",
    epilog=examples(
        "spearmint traces",
        "spearmint traces --experiment shop.rank:score --since 1h",
        "spearmint traces --config-id 6f8178b2356ca91a --show-diffs",
        "spearmint traces --experiment shop.rank:score --since 7d --to rows.jsonl --sample 200",
    ),
)
@click.option("--experiment", help="Only this experiment: module:qualified.name, or its last part.")
@click.option("--config-id", help="Only cases with this config, of the experiment itself or of one that it reaches.")
@click.option("--case-id", help="Only this case.")
@click.option("--role", type=click.Choice(["main", "variant"]), help="Only main's executions, or only variants'.")
@click.option("--differs", is_flag=True, help="Only calls of which a variant's result was not main's.")
@click.option("--since", type=Ago(), help="Only what began within this time, such as 30m, 1h or 7d.")
@click.option("--show-diffs", is_flag=True, help=f"Show the first {_PAIRS} pairs of each case whose results differ.")
@click.option(
    "--to", type=click.Path(path_type=Path), metavar="FILE", help="Write main's calls as rows of an evaluation, .jsonl."
)
@click.option(
    "--sample", type=click.IntRange(min=1), help="With --to: so many, among them failed, differing and slow calls."
)
@click.option("--seed", type=int, default=0, show_default=True, help="With --sample: equal seeds choose the same.")
@click.option("--limit", type=click.IntRange(min=1), default=10_000, show_default=True, help="Executions to read.")
@click.option("--mlflow-experiment", "places", multiple=True, help="MLflow experiment to read; all of them by default.")
@click.option("--tracking-uri", help="Where MLflow keeps it; MLflow's own setting by default.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def traces_command(
    *,
    experiment: str | None,
    config_id: str | None,
    case_id: str | None,
    role: str | None,
    differs: bool,
    since: float | None,
    show_diffs: bool,
    to: Path | None,
    sample: int | None,
    seed: int,
    limit: int,
    places: tuple[str, ...],
    tracking_uri: str | None,
    form: str,
) -> None:
    """Compare what configs did, of what MLflow has recorded of executions.

    There is a line per case, with the parameters that vary: executions, how many failed, the median and the 95th
    percentile of the duration, and for variants that ran beside main how often their result equalled main's, with a
    95 % confidence interval.

    With --to, main's calls become rows that `spearmint evaluate --data` reads: what the caller passed as inputs, what
    main returned as the expected answer, feedback as further expectations. Masked values are refused, and nothing is
    written. Of a --sample, up to a quarter each are failed calls, calls whose results differ, and the slowest 5 %.
    """
    if to is not None and role == "variant":
        raise click.UsageError("--to writes main's calls, whose results are expected; leave out --role variant.")
    role = "main" if to is not None else role
    reading: Any = importlib.import_module("spearmint.tracing.mlflow.search")
    try:
        reader = reading.TraceReader(tracking_uri, places)
        since_ms = None if since is None else int((time.time() - since) * 1000)
        differing = reader.differing_calls(since_ms=since_ms) if differs or sample else set()
        chosen = (
            one
            for one in reader.find(config_id=config_id, case_id=case_id, since_ms=since_ms)
            if (experiment is None or _is_named(one.experiment, experiment))
            and role in (None, one.role)
            and (not differs or one.call_id in differing)
        )
        found, has_more = _first(chosen, limit)
    except Exception as error:
        text = redactor().hide(str(error))
        raise fail(text if isinstance(error, LookupError) else f"Cannot read traces: {text}", 1) from error
    if to is not None:
        _write_rows(reader, found, to, differing=differing, sample=sample, seed=seed)
    else:
        _show(reader, found, show_diffs=show_diffs, form=form)
    if has_more:
        click.echo(f"There are more than {limit} executions; --limit reads more, --since fewer.", err=True)


def _write_rows(reader: Any, found: list[Any], to: Path, *, differing: set[str], sample: int | None, seed: int) -> None:
    # Opening the rooms of evaluation takes a while, which a table need not.
    from spearmint.evaluation.report.files import write_whole  # noqa: PLC0415
    from spearmint.evaluation.traced_rows import rows_of, stratified_sample  # noqa: PLC0415

    chosen = found if sample is None else stratified_sample(found, differing, sample, seed)
    try:
        rows, left_out = rows_of(reader, chosen[::-1])
        for reason, count in left_out.items():
            click.echo(f"Left out, {counted(count, 'call')}: {reason}.", err=True)
        if not rows:
            raise fail(f"Cannot write {str(to)!r}: no call is left to write. Is this the right --experiment?", 1)
        write_whole(to, "".join(f"{json.dumps(row)}\n" for row in rows))
    except SpearmintError as error:
        raise fail(str(error), 1) from error
    click.echo(f"{len(rows)} of {len(found)} calls are in {str(to)!r}.", err=True)


def _show(reader: Any, found: list[Any], *, show_diffs: bool, form: str) -> None:
    lines = _compare_cases(found)
    pairs = _differing(reader, found) if show_diffs else []
    if form == "json":
        click.echo(json.dumps({"cases": list(map(_as_json, lines)), "diffs": pairs}, indent=2, ensure_ascii=False))
    elif lines:
        _print(lines, pairs)
    elif given := [f"--{one.replace('_', '-')}" for one in _FILTERS if click.get_current_context().params[one]]:
        click.echo(f"No execution that is recorded fits {' and '.join(given)}. Leave something out to see more.")
    else:
        click.echo("No executions are recorded. Is tracing on, and is this the right --tracking-uri?")


def _first(executions: Iterable[Any], limit: int) -> tuple[list[Any], bool]:
    found: list[Any] = []
    for one in executions:
        if len(found) == limit:
            return found, True
        found.append(one)
    return found, False


def _is_named(name: str, wanted: str) -> bool:
    return name == wanted or f".{name.partition(':')[2]}".endswith(f".{wanted}")


def _compare_cases(executions: Iterable[Any]) -> list[Line]:
    """Return a line per experiment, role and case, those of main first."""
    groups: dict[tuple[str, str, str], list[Any]] = defaultdict(list)
    for one in executions:
        groups[one.experiment, one.role, one.case_id].append(one)
    return [_line(*key, group) for key, group in sorted(groups.items())]


def _line(experiment: str, role: str, case_id: str, group: Sequence[Any]) -> Line:
    seconds = sorted(one.seconds for one in group)
    compared = [one for one in group if one.equal in ("true", "false")]
    equal = sum(one.equal == "true" for one in compared)
    return Line(
        experiment=experiment,
        case_id=case_id,
        config_id=group[0].config_id,
        parameters=group[0].parameters,
        role=role,
        executions=len(group),
        errors=sum(one.is_error for one in group),
        p50=plain_statistics.median(seconds),
        p95=seconds[math.ceil(0.95 * len(seconds)) - 1],
        compared=len(compared),
        equal=wilson(equal, len(compared)) if compared else None,
    )


def _differing(reader: Any, executions: Sequence[Any]) -> list[dict[str, str]]:
    """Return the first pairs of main's and a variant's result that differ, the earliest first."""
    mains = {one.call_id: one for one in executions if one.role == "main"}
    shown: dict[tuple[str, str], int] = defaultdict(int)
    pairs = []
    for one in reversed(executions):
        key = (one.experiment, one.case_id)
        if one.equal != "false" or shown[key] >= _PAIRS:
            continue
        call = reader.find(call_id=one.call_id)
        main = mains.get(one.call_id) or next((other for other in call if other.role == "main"), None)
        shown[key] += 1
        pairs.append(
            {
                "experiment": one.experiment,
                "case_id": one.case_id,
                "inputs": one.request,
                "main": "(not recorded)" if main is None else _outcome(reader.with_response(main)),
                "variant": _outcome(one),
                "main_trace": "" if main is None else main.trace_id,
                "variant_trace": one.trace_id,
            }
        )
    return pairs


def _outcome(one: Any) -> str:
    response: str = one.response
    return response if one.status == "success" else f"({one.status})"


def _as_json(line: Line) -> dict[str, Any]:
    found: dict[str, Any] = {
        "experiment": line.experiment,
        "case_id": line.case_id,
        "config_id": line.config_id,
        "parameters": line.parameters,
        "role": line.role,
        "executions": line.executions,
        "errors": line.errors,
        "p50_seconds": line.p50,
        "p95_seconds": line.p95,
        "compared": line.compared,
    }
    if line.equal is not None:
        found["equal"] = {"rate": line.equal.value, "low": line.equal.low, "high": line.equal.high}
    return found


def _print(lines: Sequence[Line], pairs: Sequence[dict[str, str]]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("experiment", "case", "parameters", "role"):
        table.add_column(name, overflow="fold")
    for name in ("executions", "errors", "p50", "p95", "equal to main"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in lines:
        table.add_row(
            line.experiment,
            line.case_id,
            ", ".join(f"{path}={_value(value)}" for path, value in line.parameters.items()),
            line.role,
            str(line.executions),
            f"{line.errors / line.executions:.1%}",
            _duration(line.p50),
            _duration(line.p95),
            _share(line),
        )
    printer = console()
    if not printer.is_terminal:
        printer.width = _PIPE_WIDTH
    printer.print(table, markup=False)
    for pair in pairs:
        printer.print(f"\n{pair['experiment']} under {pair['case_id']}, given {pair['inputs']}", markup=False)
        printer.print(f"  main     {pair['main']}   {pair['main_trace']}", markup=False)
        printer.print(f"  variant  {pair['variant']}   {pair['variant_trace']}", markup=False)


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _share(line: Line) -> str:
    if line.equal is None:
        return "-"
    interval = f"[{line.equal.low:.1%}, {line.equal.high:.1%}]"
    return f"{line.equal.value:.1%} {interval} of {line.compared}"


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"

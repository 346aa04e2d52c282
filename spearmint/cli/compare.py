"""``spearmint compare``: an evaluation against an earlier one, with a gate for CI."""

from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from spearmint.cli.gates import GateCommand, conclude
from spearmint.cli.output import console, examples

if TYPE_CHECKING:
    from spearmint.evaluation.report.compare import Comparison


@click.command(
    "compare",
    cls=GateCommand,
    epilog=examples(
        "spearmint compare main.json branch.json",
        "spearmint compare main.json branch.json --gate exact=-0.02 --junit gates.xml --summary summary.md",
    ),
)
@click.argument("old", type=click.Path())
@click.argument("new", type=click.Path())
@click.option(
    "--gate", "gates", multiple=True, metavar="METRIC=MARGIN", help="What every case must hold against the old run."
)
@click.option("--lower", multiple=True, metavar="METRIC", help="A metric of which less is better; latency is one.")
@click.option("--candidate", metavar="ID", help="The case that the gates hold for; by default all.")
@click.option("--junit", type=click.Path(dir_okay=False), metavar="FILE", help="Write the gates as JUnit.")
@click.option("--summary", type=click.Path(dir_okay=False), metavar="FILE", help="Write a summary in Markdown.")
def compare_command(
    *,
    old: str,
    new: str,
    gates: tuple[str, ...],
    lower: tuple[str, ...],
    candidate: str | None,
    junit: str | None,
    summary: str | None,
) -> None:
    """Compare each case of the run NEW with the same configs in the run OLD, row by row.

    Runs are files of "spearmint evaluate --report run.json". Rows are recognised by content. The exit status is that of
    "spearmint evaluate --gate": 0 if every gate passes, 1 for a regression, 2 if the data cannot tell, and 3 if the
    runs cannot be compared.
    """
    # Opening the rest takes a while, which --help need not.
    from spearmint.evaluation.report.ci_files import sentences_of  # noqa: PLC0415
    from spearmint.evaluation.report.compare import compare_runs  # noqa: PLC0415
    from spearmint.evaluation.report.gate import parse_gate  # noqa: PLC0415
    from spearmint.evaluation.report.saved_run import load_run  # noqa: PLC0415

    wanted = [parse_gate(text, lower) for text in gates]
    before, now = load_run(old), load_run(new)
    comparison = compare_runs(before, now)
    console().print(_table(comparison))
    for sentence in sentences_of(comparison):
        click.echo(sentence)
    results = [result for gate in wanted for result in comparison.check_gate(gate, candidate)]
    conclude(f"{now.function}: {old} and {new}", results, comparison, junit=junit, summary=summary)


def _table(comparison: "Comparison") -> Table:
    from spearmint.evaluation.report.labels import readable, short_id  # noqa: PLC0415

    table = Table("metric", "case", "before", "now", "difference", "interval", "p", "verdict", "rows")
    for metric, cases in comparison.cases.items():
        for one in cases:
            found = one.difference
            cells = [readable(metric), short_id(one.case_id), f"{one.old:.4g}", f"{one.new:.4g}", f"{found.value:+.4g}"]
            cells += [f"{found.low:+.4g} {found.high:+.4g}", f"{found.adjusted:.2g}", found.shortage or found.verdict]
            table.add_row(*map(Text, [*cells, str(found.n)]))
    return table

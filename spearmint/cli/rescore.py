"""``spearmint rescore``: other scorers on the stored outputs of a run."""

from pathlib import Path

import click

from spearmint.cli.output import console, examples
from spearmint.cli.targets import import_target, use_settings


@click.command(
    "rescore",
    epilog=examples(
        "spearmint rescore runs.db --scorer shop.judge:tone", "spearmint rescore runs.db --run 3 --scorer qa:exact"
    ),
)
@click.argument("store", type=click.Path(path_type=Path))
@click.option("--scorer", "scorers", multiple=True, required=True, metavar="MODULE:NAME", help="A scorer; repeatable.")
@click.option("--run", "run", type=int, metavar="ID", help="Which run of `store ls`; by default the last.")
@click.option("--pickle", is_flag=True, help="Read pickled outputs; reading one runs what its writer put there.")
@click.option("--report", type=click.Path(), metavar="FILE", help="Write the report: .html, .csv or .json.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file, found as for `spearmint run`.")
def rescore_command(  # noqa: PLR0917 - click passes them by name
    store: Path,
    scorers: tuple[str, ...],
    run: int | None,
    pickle: bool,  # noqa: FBT001
    report: str | None,
    config: Path | None,
) -> None:
    """Score the outputs in STORE. The function that made them is imported, and not called.

    Rows and configs are those of the run. A score that the store has already is not made again.
    """
    from spearmint.evaluation.evaluate import evaluate  # noqa: PLC0415 - takes a while
    from spearmint.evaluation.rescoring import read_run  # noqa: PLC0415
    from spearmint.registry.settings import ExperimentSettings  # noqa: PLC0415

    stored = read_run(store, run)
    use_settings(config)
    function = import_target(stored.function, "rescore")
    named = [import_target(scorer, "score with") for scorer in scorers]
    made = evaluate(
        function,
        stored.rows,
        named,
        stored.configs,
        [],
        settings=ExperimentSettings(),
        options=stored.options(pickles=pickle),
    )
    console().print(made)
    if report is not None:
        click.echo(f"Report: {made.save(report)}", err=True)

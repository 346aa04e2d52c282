"""What commands with a gate for CI have in common: their exit statuses, and the files for a pull request."""

import shlex
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from spearmint.cli.output import fail
from spearmint.errors import SpearmintError

if TYPE_CHECKING:
    from spearmint.evaluation.report.compare import Comparison
    from spearmint.evaluation.report.gate import GateResult

STATUSES = {"pass": 0, "regression": 1, "inconclusive": 2}
FAILED = 3
"""The status of an evaluation that could not be made, which is none of the three."""
INTERRUPTED = 130
"""The status after Ctrl-C, as of any program."""
_ARGUMENTS = "spearmint.arguments"


class _GateUsageError(click.UsageError):
    """A mistake of usage."""

    exit_code = FAILED


class GateCommand(click.Command):
    """A command whose failures do not have the status of a verdict."""

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **options: Any) -> click.Context:
        """Read the arguments, and keep them to be told."""
        arguments = list(args)
        try:
            context = super().make_context(info_name, args, *rest, **options)
        except click.UsageError as error:
            raise _GateUsageError(error.format_message(), error.ctx) from error
        context.meta[_ARGUMENTS] = arguments
        return context

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what ends it otherwise than by a verdict has a status of its own."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _GateUsageError(error.format_message(), error.ctx) from error
        except SpearmintError as error:
            raise fail(str(error), FAILED) from error
        except click.exceptions.Exit:
            raise
        except KeyboardInterrupt as error:
            click.echo(f"Interrupted. {how_to_go_on(ctx)}", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from error
        except Exception as error:
            traceback.print_exc()  # Of a module of the user's; Python's own status for it would be a verdict.
            raise click.exceptions.Exit(FAILED) from error


def how_to_go_on(ctx: click.Context) -> str:
    """Say where the results of an evaluation or a search are that has not ended, and which command goes on."""
    arguments = ctx.meta.get(_ARGUMENTS, [])
    kept = ctx.params.get("storage") or ctx.params.get("resume")
    if ctx.params.get("store") is not None:
        advice = f"Its results are in {ctx.params['store']!r}. To go on:"
        arguments = [*(one for one in arguments if one != "--cache"), "--cache"]
    elif kept is None:
        advice = "Nothing of it is kept. A run that can be resumed:"
        place = ["--storage", "search.db"] if "storage" in ctx.params else ["--resume", "run.jsonl"]
        arguments = [*arguments, *place]
    else:
        advice = f"Its results are in {kept!r}. To go on:"
    return f"{advice}\n  {ctx.command_path} {shlex.join(arguments)}"


def conclude(
    name: str,
    results: "Sequence[GateResult]",
    comparison: "Comparison | None",
    *,
    junit: str | None,
    summary: str | None,
) -> None:
    """Tell what gates decide, write the files for a pull request, and end with the status of the verdict.

    Args:
        name: What was evaluated.
        results: What each gate decides of each case.
        comparison: The runs that were compared; None for one run.
        junit: Where to write JUnit.
        summary: Where to write Markdown.
    """
    from spearmint.evaluation.report.ci_files import write_junit, write_summary  # noqa: PLC0415 - opens scipy
    from spearmint.evaluation.report.gate import worst  # noqa: PLC0415

    for result in results:
        click.echo(f"{result.verdict.upper()} {result.gate.metric} of {result.case_id}: {result.reason}")
    if junit is not None:
        write_junit(junit, name, results)
    if summary is not None:
        write_summary(summary, name, results, comparison)
    if results:
        raise click.exceptions.Exit(STATUSES[worst(list(results))])

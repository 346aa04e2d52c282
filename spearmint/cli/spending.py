"""Options of `spearmint evaluate` about what a run costs and where its results are kept."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from spearmint.cli.options import option_group
from spearmint.cli.targets import find_object
from spearmint.errors import EvaluationError
from spearmint.suggest import did_you_mean

_LIMITS = ("usd", "cells", "seconds", "rows")
_ESTIMATED_ROWS = 5

spending_options = option_group(
    click.option("--store", type=click.Path(dir_okay=False), metavar="FILE", help="SQLite file that results go to."),
    click.option("--cache", is_flag=True, help="Take results of earlier runs in the store."),
    click.option("--pickle", is_flag=True, help="Store outputs as pickles that JSON cannot say, and read them."),
    click.option(
        "--budget", "limits", multiple=True, metavar="LIMIT=NUMBER", help="End before it: usd, cells, seconds, rows."
    ),
    click.option("--usage", metavar="MODULE:NAME", help="A function from an output to the tokens that it took."),
    click.option("--prices", type=click.Path(), metavar="FILE", help="Prices of models, as JSON."),
    click.option("--estimate", is_flag=True, help="Run 5 rows, and tell what all of them would take."),
)
"""What a run may cost, and where its results are kept."""


def spending_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of `spearmint.Spearmint.evaluate` that those of the command line come to."""
    usage, prices = given["usage"], given["prices"]
    return {
        "store": given["store"],
        "cache": given["cache"],
        "pickle": given["pickle"],
        "budget": _budget(given["limits"], is_estimate=given["estimate"]),
        "usage": None if usage is None else find_object(usage, "--usage"),
        "prices": None if prices is None else _prices(Path(prices)),
    }


def _budget(limits: Sequence[str], *, is_estimate: bool) -> Any:
    from spearmint.evaluation.budget import Budget  # noqa: PLC0415 - takes a while

    found: dict[str, Any] = {"rows": _ESTIMATED_ROWS} if is_estimate else {}
    for text in limits:
        name, _, value = text.partition("=")
        if name not in _LIMITS:
            hint = did_you_mean(name, _LIMITS)
            raise click.UsageError(
                f"Cannot read --budget {text!r}: give one of {', '.join(_LIMITS)} and a number.{hint}"
            )
        try:
            found[name] = float(value) if name in ("usd", "seconds") else int(value)
        except ValueError as error:
            message = f"Cannot read --budget {text!r}: {value!r} is no number. Write usd=5, for instance."
            raise click.UsageError(message) from error
    return Budget(**found) if found else None


def _prices(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        cause = error.strerror or type(error).__name__
        raise EvaluationError(f"Cannot read the prices in {str(path)!r}: {cause}. Correct the path.") from error
    except ValueError as error:
        raise EvaluationError(f"Cannot read the prices in {str(path)!r}: it is no JSON ({error}). Mend it.") from error

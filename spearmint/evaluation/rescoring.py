"""A stored run, to be scored by other scorers."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spearmint.config.model import Config
from spearmint.errors import EvaluationError
from spearmint.evaluation.evaluate import rescoring
from spearmint.evaluation.run.options import EvaluationOptions
from spearmint.evaluation.run.store_database import Database
from spearmint.evaluation.run.stored_output import decode_output
from spearmint.evaluation.store_upkeep import function_of

_ROWS = "select number, text from rows left join contents on digest = content where run = ? order by number"


@dataclass(frozen=True, slots=True)
class RunToScore:
    """What a store tells of a run.

    Attributes:
        path: The store.
        function: Name of the function.
        configs: Its configs, main first.
        rows: The rows, as `spearmint.Spearmint.evaluate` takes them.
        repeats: How often each case ran on each row.
    """

    path: Path
    function: str
    configs: Sequence[Config]
    rows: Sequence[dict[str, Any]]
    repeats: int

    def options(self, *, pickles: bool) -> EvaluationOptions:
        """Return how to score it; results count whatever the code is by now."""
        options = EvaluationOptions(repeats=self.repeats, store=self.path, stale="use", pickle=pickles)
        return rescoring(options)


def read_run(path: Path, run: int | None) -> RunToScore:
    """Read what a run was of.

    Args:
        path: The store.
        run: Its number; None for the last one.

    Raises:
        EvaluationError: If there is no such run, or its rows or configs could not be stored.
    """
    with closing(Database(path, is_made=False)) as database:
        last = database.execute("select max(id) from runs").fetchone()[0]
        chosen = (last or 0) if run is None else run
        function = function_of(database, chosen)
        cases, repeats = database.execute("select cases, repeats from runs where id = ?", chosen).fetchone()
        texts = database.execute(_ROWS, chosen).fetchall()
    told = [one["configs"] for one in json.loads(cases)]
    lost = [f"row {number}" for number, text in texts if text is None]
    lost += [f"the configs of case {number}" for number, text in enumerate(told) if text is None]
    if lost:
        cause = f"{lost[0]} could not be stored, as JSON cannot say it"
        raise EvaluationError(f"Cannot rescore run {chosen} of {str(path)!r}: {cause}. Use report.rescore instead.")
    configs: dict[str, Config] = {}
    for text in told:  # Of nested experiments, their own configs are those in the code.
        for config_id, content in list(decode_output(text).values())[:1]:
            configs.setdefault(config_id, Config({**content, "__config_id__": config_id}))
    return RunToScore(path, function, list(configs.values()), [decode_output(text) for _, text in texts], repeats)

"""Whole outputs from a store, as a page shows them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from spearmint.errors import EvaluationError
from spearmint.evaluation.dataset import Row
from spearmint.evaluation.report.row_table import WholeOutputs
from spearmint.evaluation.run.case_names import EvaluatedCase
from spearmint.evaluation.run.cell_text import whole_text
from spearmint.evaluation.run.result_table import CellKey, ResultTable
from spearmint.evaluation.run.store_database import Database
from spearmint.evaluation.run.stored_output import decode_output


@contextmanager
def whole_outputs(results: ResultTable, cases: Sequence[EvaluatedCase]) -> Iterator[WholeOutputs | None]:
    """Give what reads whole outputs; None where no store has them, or it is not there any more."""
    with ExitStack() as stack:
        database = None
        if results.store is not None:
            try:
                database = stack.enter_context(closing(Database(results.store, is_made=False)))
            except EvaluationError:
                database = None
        if database is None:
            yield None
            return
        opened = database

        def read(row: Row, positions: Sequence[int]) -> Mapping[int, str]:
            digests = {one: results.digest(CellKey(one, row.number, 0)) for one in positions}
            texts = _texts(opened, {digest for digest in digests.values() if digest is not None})
            return {
                one: whole_text(_value(texts[digest]), cases[one].case, row)
                for one, digest in digests.items()
                if digest in texts
            }

        yield read


def _texts(database: Database, digests: set[bytes]) -> dict[Any, str]:
    marks = ", ".join("?" * len(digests))
    with database.errors():
        return dict(
            database.execute(f"select digest, text from contents where digest in ({marks})", *digests)  # noqa: S608 - question marks alone
        )


def _value(text: str) -> Any:
    try:
        return decode_output(text)
    except Exception:  # noqa: BLE001 - a class in it is another by now: its JSON is shown
        return text

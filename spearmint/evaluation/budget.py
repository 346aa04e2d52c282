"""What an evaluation may spend before it ends."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import NamedTuple

from spearmint.errors import EvaluationError
from spearmint.evaluation.spending import usd_text
from spearmint.render import counted

_WHOLE = ("cells", "rows")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What an evaluation may spend: it ends on whole rows, and says so.

    A row begins only if it is expected to fit, by the mean cost of those before it: a dearer one may exceed the budget
    by the difference. Seconds can be told only once they have passed: rows that have begun
    run to their end.

    Args:
        usd: US dollars, of calls, retries and scorers. A call whose cost is not known counts as the mean of the others.
        cells: Cells: a config on a row, once.
        seconds: Time.
        rows: Rows.

    Raises:
        EvaluationError: If one is no number above 0, or none is given.
    """

    usd: float | None = None
    cells: int | None = None
    seconds: float | None = None
    rows: int | None = None

    def __post_init__(self) -> None:
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in given.items():
            kinds = int if name in _WHOLE else (int, float)
            is_number = isinstance(value, kinds) and not isinstance(value, bool)
            if value is not None and not (is_number and 0 < value < math.inf):
                kind = "whole number" if name in _WHOLE else "number"
                raise EvaluationError(f"Cannot keep Budget({name}={value!r:.100}): it is no {kind} above 0. Give one.")
        if all(value is None for value in given.values()):
            raise EvaluationError("Cannot keep a budget without limits. Give some of usd=, cells=, seconds= and rows=.")


class Stop(NamedTuple):
    """Why an evaluation ended before its last row.

    Attributes:
        limit: The field of the budget; ``"quota"`` where a service takes no more calls.
        rows: How many rows had begun; of a quota, how many have ended.
        of: How many there are.
        budget: The budget; None where there is none.
        quota: What the service said, and how to go on.
    """

    limit: str
    rows: int
    of: int
    budget: Budget | None = None
    quota: str = ""

    def sentences(self, *, is_raced: bool) -> Iterator[str]:
        """Say what ended it, and what that means for a race."""
        ended = f"ended the evaluation after {self.rows} of {counted(self.of, 'row')}"
        if self.limit == "quota":
            yield f"A quota that is used up {ended}: {self.quota}"
        else:
            value = getattr(self.budget, self.limit)
            shown = usd_text(value) if self.limit == "usd" else f"{value:,.12g} {self.limit}"
            yield f"The budget of {shown} {ended}."
        if is_raced:
            yield "The race has not ended: its winner is the best so far, without a bound on the error of that."

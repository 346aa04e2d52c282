"""What an evaluation has spent: calls, seconds, tokens and dollars, of everything that it ran."""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from spearmint.evaluation.cost import PriceList
from spearmint.evaluation.usage import NO_USAGE, CellUsage, Usages
from spearmint.render import counted
from spearmint.tracing.mlflow.token_usage import observer


@dataclass(frozen=True, slots=True)
class Spent:
    """What one run has spent; what earlier runs had stored costs it nothing.

    Attributes:
        calls: Calls of the function, retries included.
        seconds: How long they took, one after another.
        usd: What they, their retries and the scorers cost in US dollars, as far as it is known; NaN where nothing is.
        input_tokens: Tokens of all prompts that are known.
        output_tokens: Tokens of all answers that are known.
        usd_of_retries: Which part of the dollars went into attempts that were made again.
        usd_of_judges: Which part went into scorers.
        unknown: Calls whose cost is not known, and is not in it; 0 where none tells its tokens.
    """

    calls: int
    seconds: float
    usd: float
    input_tokens: int
    output_tokens: int
    usd_of_retries: float
    usd_of_judges: float
    unknown: int

    def sentences(self) -> Iterator[str]:
        """Say what was spent, where tokens are known."""
        if self.input_tokens or self.output_tokens or not math.isnan(self.usd):
            yield f"Spent: {self}."

    def __str__(self) -> str:
        told = f"{counted(self.calls, 'call')}, {self.seconds:,.1f} s"
        if self.input_tokens or self.output_tokens:
            told += f", {self.input_tokens:,} tokens in and {self.output_tokens:,} out"
        if not math.isnan(self.usd):
            parts = [("retries", self.usd_of_retries), ("scorers", self.usd_of_judges)]
            of = ", ".join(f"{usd_text(usd)} of it for {name}" for name, usd in parts if usd)
            told += f", {usd_text(self.usd)}{f' ({of})' if of else ''}"
        unknown = f"the cost of {counted(self.unknown, 'call')} is unknown"
        return f"{told}; {unknown}" if self.unknown else told


NOTHING_SPENT = Spent(0, 0.0, math.nan, 0, 0, math.nan, math.nan, 0)


class Spending:
    """Adds up what a run spends.

    Args:
        prices: What tokens cost.

    Attributes:
        unclaimed: How many spans told of tokens where no cell was running.
    """

    def __init__(self, prices: PriceList) -> None:
        self.prices = prices
        self._calls = 0
        self._seconds = 0.0
        self._tokens = [0, 0]
        self._usd = {"calls": 0.0, "retries": 0.0, "judges": 0.0}
        self._known = 0
        self._unknown = 0
        self._errors: Counter[str] = Counter()
        self.unclaimed = 0

    @property
    def spent(self) -> Spent:
        """What has been spent so far."""
        is_known = self._known > 0 or any(self._usd.values())
        usd = {name: value if is_known else math.nan for name, value in self._usd.items()}
        return Spent(
            calls=self._calls,
            seconds=self._seconds,
            usd=sum(usd.values(), 0.0),
            input_tokens=self._tokens[0],
            output_tokens=self._tokens[1],
            usd_of_retries=usd["retries"],
            usd_of_judges=usd["judges"],
            unknown=self._unknown if is_known or any(self._tokens) else 0,
        )

    @property
    def mean_usd(self) -> float | None:
        """The mean cost of a cell in US dollars, over those whose call told it; None where none did."""
        return None if not self._known else sum(self._usd.values()) / self._known

    @property
    def usd(self) -> float:
        """What has been spent in US dollars; a cost that is not known counts as the mean of the others."""
        return sum(self._usd.values()) + self._unknown * (self.mean_usd or 0.0)

    def add(self, calls: int, seconds: float, usage: CellUsage | None) -> None:
        """Add a cell: how often it called the function, how long that took, and its tokens.

        Where the function was not called, since its output had been stored, only its scorers' tokens count.
        """
        self._calls += calls
        self._seconds += seconds if calls else 0.0
        found = usage or NO_USAGE
        if calls:
            self._add("calls", found.call)
            self._add("retries", found.retries)
        if found.error is not None:
            self._errors[found.error] += 1
        self._add("judges", found.judges)

    def spare(self, seconds: float) -> None:
        """Take off what cells would have taken alone, and did not, since they shared it."""
        self._seconds -= seconds

    def notes(self) -> Iterator[str]:
        """Say what of the tokens and costs is not known, and why."""
        yield from self.prices.notes()
        for text, count in self._errors.most_common(3):
            outputs = "output" if count == 1 else "outputs"
            yield f"usage= failed for {count} {outputs}, whose tokens are unknown: {text}."
        if self.unclaimed:
            spans = "span" if self.unclaimed == 1 else "spans"
            effect = f"The tokens of {self.unclaimed} {spans} count for no cell, so that tokens and costs are too low"
            cause = "they ended where no cell is current, such as on a thread of the function's own"
            yield f"{effect}: {cause}. Wrap what runs there in spearmint.context.propagate."

    def _add(self, what: str, usages: Usages | None) -> None:
        if usages is None:
            self._unknown += 1
        if not usages:
            return
        tokens = self.prices.tokens(usages)
        self._tokens = [before + int(more) for before, more in zip(self._tokens, tokens, strict=True)]
        usd = self.prices.usd(usages)
        if math.isnan(usd):
            self._unknown += what == "calls"
            self.prices.note_unpriced(usages)
        else:
            self._known += what == "calls"
            self._usd[what] += usd


@contextmanager
def observed_spans(spending: Spending) -> Iterator[None]:
    """Observe the spans of this process, and count those that end outside of cells."""
    before = observer.unclaimed
    observer.start()
    try:
        yield
    finally:
        observer.stop()
        spending.unclaimed += observer.unclaimed - before


def usd_text(usd: float) -> str:
    """Return an amount of US dollars, to the cent where it is large, to three digits where it is small."""
    if math.isnan(usd):
        return "-"
    short = f"{usd:.3g}"
    is_whole = usd >= 1 or float(short) == round(float(short), 2)
    return f"${usd:,.2f}" if is_whole else f"${short}"

"""The tokens that one cell takes: of each attempt to call its function, and of its scorers."""

from collections.abc import Callable, Sequence
from typing import Any

from spearmint.config.model import ATOMS
from spearmint.evaluation.usage import NO_USAGE, CellUsage, Usages, given_usage, usage_of_output, usage_of_spans
from spearmint.results import Outcome
from spearmint.tracing.mlflow.token_usage import SpanUsage, observer, reused_sink_var, usage_sink_var


class UsageMeter:
    """Takes the spans with tokens that end in each attempt."""

    def __init__(self) -> None:
        self._attempts: list[list[SpanUsage]] = []
        self._reused: list[SpanUsage] = []

    def begin(self) -> None:
        """Take the spans that end from here on, in this context, as those of an attempt; the last one counts."""
        spans: list[SpanUsage] = []
        self._attempts.append(spans)
        self._reused = []
        observer.attach()
        usage_sink_var.set(spans.append)
        reused_sink_var.set(self._reused.append)

    @property
    def spans(self) -> Sequence[SpanUsage]:
        """Those of the last attempt."""
        return self._attempts[-1] if self._attempts else ()

    def usage(
        self, given: Callable[[Any], Any] | None, outcome: Outcome, shown: Callable[[BaseException], str]
    ) -> CellUsage | None:
        """Return the tokens of the call.

        Args:
            given: What the caller wants its output's tokens to be told by; else spans tell, else the output's shape.
            outcome: How the last attempt ended.
            shown: Gives the text that is kept of an exception.
        """
        if given is None and type(outcome.value) in ATOMS and not (self._reused or any(self._attempts)):
            return None  # as of most functions that call no model
        retries = _all(self._attempts[:-1])
        call: Usages | None = None
        error: str | None = None
        if given is not None and outcome.status == "success":
            try:
                call = given_usage(given(outcome.value))
            except Exception as raised:  # noqa: BLE001 - the caller's function may raise anything
                error = shown(raised)
        else:
            call = usage_of_spans(self.spans)
            if call is None and self._reused:
                call = ()
            if call is None and outcome.status == "success":
                call = usage_of_output(outcome.value)
        if call is None and not retries and error is None:
            return None
        reused = () if given is not None else usage_of_spans(self._reused) or ()
        return CellUsage(call, retries, reused=reused, error=error)


def with_judges(usage: CellUsage | None, spans: Sequence[SpanUsage]) -> CellUsage | None:
    """Return a cell's tokens with those of its scorers."""
    judges = usage_of_spans(spans) or () if spans else ()
    if not judges:
        return usage
    return (usage or NO_USAGE)._replace(judges=judges)


def _all(attempts: Sequence[Sequence[SpanUsage]]) -> Usages:
    return tuple(one for spans in attempts for one in usage_of_spans(spans) or ())

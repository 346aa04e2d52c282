"""Feedback on traces that may have ended long ago, in a queue of its own: a server that hangs holds up nothing else."""

import importlib
import sys
from collections.abc import Mapping
from time import monotonic, sleep
from typing import Any

from spearmint.tracing.export_queue import ExportQueue, Writer
from spearmint.tracing.exporter import exporter
from spearmint.tracing.mlflow.state import current_destination
from spearmint.tracing.trace_feedback import Feedback, MissingTraceError

_RETRY_SECONDS = 0.05


class FeedbackExporter(ExportQueue):
    """Hands feedback to MLflow. A process has one, with the options of tracing."""

    _loss = "Feedback on traces is lost"
    _advice = "feedback_stats() counts what is lost, configure(tracing=...) sets where it goes"

    def __init__(self) -> None:
        super().__init__("feedback", lambda: exporter.options, _feedback_writer, opener=exporter)

    @property
    def is_on(self) -> bool:
        """Whether feedback goes anywhere: where traces of this process would."""
        setting = exporter.options.enabled
        return "mlflow" in sys.modules if setting is None else setting

    def tell(self, trace_id: str, name: str, value: float, attributes: Mapping[str, Any]) -> None:
        """Queue a number about a trace; never blocks.

        Args:
            trace_id: The trace.
            name: What it is.
            value: The number, or a truth value.
            attributes: What else is to be told, without secrets.
        """
        self.put(Feedback(trace_id, name, value, attributes, current_destination()))

    def _settle(self, batch: list[Any], errors: list[BaseException | None]) -> None:
        """Count what became of a batch, but for what may still find its trace."""
        early = {
            id(one)
            for one, error in zip(batch, errors, strict=True)
            if isinstance(error, MissingTraceError) and one.may_wait()
        }
        settled = [(one, error) for one, error in zip(batch, errors, strict=True) if id(one) not in early]
        super()._settle([one for one, _ in settled], [error for _, error in settled])
        if early:
            for one in batch:
                if id(one) in early:
                    self._queue.put(one)
            sleep(_RETRY_SECONDS)  # Where a caller waits, the thread has no other rest.

    def register(self) -> None:
        """Let the exporter of traces be registered before."""
        exporter.register()  # Before a fork, it is the one that takes the lock of what both open.
        super().register()

    def close_at_exit(self) -> None:
        """Wait for the last traces, and then for what is said of them."""
        began = monotonic()
        timeout = exporter.exit_timeout()
        exporter.close_at_exit()  # What is written first: feedback finds its traces then.
        self.close(max(timeout - (monotonic() - began), min(timeout, 0.5)))


def _feedback_writer() -> Writer:
    writer: Writer = importlib.import_module("spearmint.tracing.mlflow.feedback_writer").MlflowFeedbackWriter()
    return writer


feedback = FeedbackExporter()
"""The one of the process."""

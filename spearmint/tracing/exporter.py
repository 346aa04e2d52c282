"""The one exporter of traces of the process: what is set about them, and which could not be recorded."""

import importlib
import os
from collections.abc import Callable
from time import monotonic
from typing import Any

from spearmint.imports_under_way import wait_for_import
from spearmint.redaction import set_patterns
from spearmint.tracing.export_queue import OPENING_SECONDS, ExportQueue, Writer
from spearmint.tracing.options import TracingOptions
from spearmint.tracing.span import Trace

_FEW = 100


class TraceExporter(ExportQueue):
    """Hands traces to MLflow. A process has one.

    Attributes:
        options: How executions are traced.
        before_exit: Called at exit before the last traces are waited for: what adds to them.
    """

    _loss = "Traces are lost"
    _advice = "tracing_stats() counts what is lost, configure(tracing=...) sets the limits"

    def __init__(self) -> None:
        self.options = TracingOptions()
        self.before_exit: list[Callable[[], None]] = []
        super().__init__("traces", lambda: self.options, _mlflow_writer)

    def lose(self, trace: Trace) -> None:
        """Count a trace that could not be recorded to its end."""
        trace.is_closed = True
        if self._guard.run(self._count_lost, trace):
            self._warn("an execution could not be recorded")

    def _count_lost(self, trace: Trace) -> bool:
        if trace.is_taken:
            return False
        trace.is_taken = True
        self._recorded += 1
        self._failed += 1
        return True

    @property
    def is_keeping_up(self) -> bool:
        """Whether few traces wait to be written."""
        return self._pending < _FEW

    def configure(self, changes: Any) -> None:
        """Replace options of the process; they hold for what begins from now on.

        Raises:
            ConfigError: If a name is unknown or a value is out of range.
        """
        self.options = self.options.with_changes(changes)
        set_patterns(self.options.mask)

    def close_at_exit(self) -> None:
        """Wait for the last traces, those among them that the exit makes."""
        began = monotonic()
        timeout = self.exit_timeout()
        for prepare in self.before_exit:
            prepare()
        # What is abandoned at the very end is recorded at the very end, and has a moment to be written.
        self.close(max(timeout - (monotonic() - began), min(timeout, 0.5)))


def _mlflow_writer() -> Writer:
    writer: Writer = importlib.import_module("spearmint.tracing.mlflow.writer").MlflowWriter()
    return writer


exporter = TraceExporter()
if hasattr(os, "register_at_fork"):
    # Before the first trace, since it may be a thread of the user's that imports MLflow.
    os.register_at_fork(before=lambda: wait_for_import("mlflow", OPENING_SECONDS))

"""What MLflow's spans say of the tokens that models took, handed over as each span ends, without importing MLflow."""

import sys
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple

_USAGE = "mlflow.chat.tokenUsage"
_MODEL = "mlflow.llm.model"
_PROVIDER = "mlflow.llm.provider"
_COST = "mlflow.llm.cost"


class SpanUsage(NamedTuple):
    """A span that has ended.

    Attributes:
        span_id: Its id.
        parent_id: The id of the span that it stands in; None for the root of a trace.
        tokens: How many tokens of each kind; None where the span does not say.
        model: The model's name.
        provider: Whose API answered.
        usd: What it cost, where the integration that made the span tells.
    """

    span_id: str
    parent_id: str | None
    tokens: Mapping[str, Any] | None
    model: str | None
    provider: str | None
    usd: float | None


usage_sink_var: ContextVar[Callable[[SpanUsage], None] | None] = ContextVar("spearmint_usage_sink", default=None)
"""What takes the spans that end here."""
reused_sink_var: ContextVar[Callable[[SpanUsage], None] | None] = ContextVar("spearmint_reused_sink", default=None)
"""What takes the spans of steps that ran elsewhere, and whose results are used here."""


class SpanObserver:
    """Asks MLflow to be told of spans that end, as long as an evaluation runs.

    Attributes:
        unclaimed: How many spans with tokens have ended where no cell took them, as on threads without its context.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self.unclaimed = 0

    def start(self) -> None:
        """Begin to observe; each start has its `stop`."""
        with self._lock:
            self._users += 1
        self.attach()

    def attach(self) -> None:
        """Ask MLflow, where it has been imported and does not know yet: a user may have configured it anew."""
        config = sys.modules.get("mlflow.tracing.config")
        if config is None:
            return
        current = getattr(config, "get_config", None)
        if current is not None and _hand_over not in current().span_processors:
            with self._lock:
                others = [one for one in current().span_processors if one is not _hand_over]
                config.configure(span_processors=[_hand_over, *others])  # First, as others may mask what it reads.

    def stop(self) -> None:
        """Cease to observe; MLflow is told once no evaluation observes any more."""
        with self._lock:
            self._users -= 1
            config = sys.modules.get("mlflow.tracing.config")
            current = getattr(config, "get_config", None)
            if config is not None and current is not None and self._users <= 0:
                config.configure(span_processors=[one for one in current().span_processors if one is not _hand_over])


observer = SpanObserver()


def _hand_over(span: Any) -> None:
    sink = usage_sink_var.get()
    tokens = span.get_attribute(_USAGE)
    if sink is None:
        observer.unclaimed += bool(tokens)
        return
    cost = span.get_attribute(_COST)
    usd = cost.get("total_cost") if isinstance(cost, Mapping) else None
    sink(
        SpanUsage(
            span.span_id,
            span.parent_id,
            tokens if isinstance(tokens, Mapping) else None,
            span.get_attribute(_MODEL),
            span.get_attribute(_PROVIDER),
            usd,
        )
    )

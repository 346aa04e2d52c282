"""What may be set about tracing, and the account of what became of traces."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from spearmint.process_options import ProcessOptions
from spearmint.redaction import SECRET_KEYS, Redactor

Mode = Literal["auto", "deferred", "live"]


@dataclass(frozen=True, slots=True)
class TracingOptions(ProcessOptions):
    """How executions are traced.

    Attributes:
        enabled: True or False forces it; None traces as soon as the process has imported mlflow.
        sample_rate: Share of the calls, from 0 to 1, that are traced; decided before any work, for main and its
            variants together.
        mode: ``"deferred"`` only records, and a worker writes; ``"live"`` opens MLflow spans at once; ``"auto"`` is
            live where an autolog integration of MLflow is on or an MLflow span is open, else deferred.
        experiment: Name of the MLflow experiment; None for the one that is active in MLflow.
        tracking_uri: Where MLflow keeps it; None for what MLflow is set to.
        queue_size: Traces that may wait to be written; more are dropped, counted.
        max_chars: Characters kept of one execution's inputs, of its outputs, and of each text.
        max_items: Items kept of one container, a stream included.
        mask: Regular expressions of names whose values are hidden, matched against whole words of a name.
        timeout: Seconds that a server may take to answer one request.
    """

    kind: ClassVar[str] = "tracing option"

    enabled: bool | None = None
    sample_rate: float = 1.0
    mode: Mode = "auto"
    experiment: str | None = None
    tracking_uri: str | None = None
    queue_size: int = 1000
    max_chars: int = 10_000
    max_items: int = 100
    mask: tuple[str, ...] = SECRET_KEYS
    timeout: float = 10.0

    def __post_init__(self) -> None:
        if self.enabled is not None and not isinstance(self.enabled, bool):
            raise self.refusal("enabled", "True, False or None")
        rate = self.sample_rate
        if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 <= rate <= 1:
            raise self.refusal("sample_rate", "a number from 0 to 1")
        self.check_choice("mode", get_args(Mode))
        for name in ("experiment", "tracking_uri"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value):
                raise self.refusal(name, "a text that is not empty, or None")
        self.check_whole("queue_size", "max_chars", "max_items")
        self.check_seconds("timeout")
        if isinstance(self.mask, str) or not all(isinstance(one, str) for one in self.mask):
            raise self.refusal("mask", "a list of regular expressions")
        object.__setattr__(self, "mask", tuple(self.mask))
        Redactor(self.mask)


@dataclass(frozen=True, slots=True)
class TracingStats:
    """What became of the traces of this process, as counts.

    ``recorded == written + dropped + failed + pending`` at any time.

    Attributes:
        recorded: Executions that ended and were to be written.
        written: What MLflow has.
        dropped: Lost for want of room in the queue, or of time at exit.
        failed: What MLflow refused, or could not be reached for.
        pending: On the way.
    """

    recorded: int = 0
    written: int = 0
    dropped: int = 0
    failed: int = 0
    pending: int = 0

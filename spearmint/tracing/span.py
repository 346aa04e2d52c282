"""What happened, as data: the spans of one trace, until a worker writes them."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import time_ns
from types import TracebackType
from typing import Any, Final, Literal

from spearmint.cases.bound_config import BoundConfig
from spearmint.cases.case import ExperimentCase
from spearmint.registry.experiment import ExperimentFunction
from spearmint.results import Role

SpanStatus = Literal["success", "failed", "cancelled", "timed_out", "abandoned", "unfinished"]
Compare = Callable[[Any, Any], Any]

_FRAMES = 50


class Unsampled:
    """Stands for the span of a call that is not traced, nor is anything in it."""

    live = None


UNSAMPLED: Final = Unsampled()

# The execution that is running, where it is traced. UNSAMPLED where it was decided that nothing here is.
span_var: ContextVar[Any] = ContextVar("spearmint_span", default=None)


@dataclass(slots=True, eq=False)
class ExceptionInfo:
    """What an execution raised, without the frames that an exception keeps alive.

    Attributes:
        kind: The exception's class.
        replica: An exception of the same class with the same arguments and attributes; it gives the message.
        frames: File, line and function of each frame, outermost first.
    """

    kind: type[BaseException]
    replica: BaseException | None
    args: tuple[Any, ...]
    frames: list[tuple[str, int, str]]


@dataclass(slots=True, eq=False)
class ComparableResult:
    """What an execution returned, for comparing.

    Attributes:
        value: The value, or a snapshot that equals it.
        failure: What it raised instead.
    """

    value: Any = None
    failure: ExceptionInfo | None = None


@dataclass(slots=True, eq=False)
class Trace:
    """One execution from outside, and all that ran within it.

    Attributes:
        number: Its id, of 128 bits.
        call_id: What main and its variants have in common.
        role: ``"main"`` or ``"variant"``.
        case: The case that it runs in.
        attributes: Snapshot of the context's attributes.
        place: Where MLflow was set to write when it began.
        compare: Compares a variant's result with main's; None where nothing compares.
        main: Main's trace, for a variant.
        decision: What ties it to main, for a variant.
        spans: Its spans, the root first.
        answer: What it returned, where a variant may ask.
        generation: Stands for the process that began it; a fork's child leaves it to its parent.
        waiting: Variants that ended before main, to be written after it.
        made: The trace as MLflow has it, where its spans were live: with spans of others among them.
        is_closed: Whether it has ended; what happens later in it is not its own any more.
        is_taken: Whether it has been queued, or counted as lost.
    """

    number: int
    call_id: str
    role: Role
    case: ExperimentCase | None = None
    attributes: Any = None
    place: Any = None
    compare: Compare | None = None
    main: "Trace | None" = None
    decision: Any = None
    spans: "list[Span]" = field(default_factory=list)
    answer: ComparableResult | None = None
    generation: object = None
    waiting: "list[Trace]" = field(default_factory=list)
    made: Any = None
    is_closed: bool = False
    is_taken: bool = False

    @property
    def trace_id(self) -> str:
        """The id as MLflow has it."""
        return f"tr-{self.number:032x}"


@dataclass(slots=True, eq=False)
class Span:
    """One execution.

    Attributes:
        trace: What it is part of.
        experiment: What was executed.
        option: Under which config.
        number: Its id, of 64 bits.
        parent: The execution that called it; None for the root of its trace.
        started: Nanoseconds since the epoch.
        inputs: Snapshots of positional and keyword arguments.
        ended: Nanoseconds since the epoch; 0 while it runs.
        status: How it ended.
        output: Snapshot of what it returned.
        items: Of a stream, the items so far.
        more: Of a stream, how many items came after those.
        failure: What it raised.
        live: What is done to MLflow's context while it runs, such as a span that is open there; None for nothing.
        is_closed: Whether all that is known of its end is recorded.
    """

    trace: Trace
    experiment: ExperimentFunction
    option: BoundConfig
    number: int
    parent: "Span | None"
    started: int
    inputs: Any = None
    ended: int = 0
    status: SpanStatus = "unfinished"
    output: Any = None
    items: list[Any] | None = None
    more: int = 0
    failure: ExceptionInfo | None = None
    live: Any = None
    is_closed: bool = False

    @property
    def is_stream(self) -> bool:
        """Whether it is a generator's execution."""
        return self.experiment.kind in ("generator", "async_generator")

    @property
    def is_error(self) -> bool:
        """Whether it ended otherwise than it should; a stream may be closed by its reader at any time."""
        return self.status != "success" and not (self.status == "cancelled" and self.is_stream)


def exception_info(error: BaseException) -> ExceptionInfo:
    """Return what is to be known of an exception, none of whose code is run."""
    frames: list[tuple[str, int, str]] = []
    trace: TracebackType | None = error.__traceback__
    while trace is not None and len(frames) < _FRAMES:
        code = trace.tb_frame.f_code
        frames.append((code.co_filename, trace.tb_lineno, code.co_qualname))
        trace = trace.tb_next
    return ExceptionInfo(type(error), _replicate(error), error.args, frames)


def _replicate(error: BaseException) -> BaseException | None:
    kind = type(error)
    base: Any = next(one for one in kind.__mro__ if one.__module__ == "builtins")
    args = error.args
    if isinstance(error, OSError) and error.filename is not None:
        args = (*args[:2], error.filename)  # Which it keeps elsewhere.
    try:
        # A builtin's own __init__ may be needed for its text, as a UnicodeError's; a user's is not run.
        replica: BaseException = kind(*args) if base is kind else base.__new__(kind, *args)
        if type(replica) is kind:
            vars(replica).update({name: held for name, held in vars(error).items() if name != "__notes__"})
            return replica
    except Exception:  # noqa: BLE001 - it takes other arguments than it keeps
        return None
    return None


def now() -> int:
    """Return nanoseconds since the epoch."""
    return time_ns()

"""Outputs on their way to be scored, in the background that variants run in."""

from contextvars import Context
from functools import partial

from spearmint.execution.event_loop import background_loop
from spearmint.execution.jobs import Job
from spearmint.execution.pool import variant_pool
from spearmint.execution.streams import ItemLog
from spearmint.online.scoring import PendingScore, output_scorer
from spearmint.results import Outcome


class ScoreBatch:
    """One output, handed over as a batch of one. It runs outside the context of its call, which was a unit's.

    Args:
        pending: The output.

    Attributes:
        context: Context variables of its own.
        left: How many have not ended: one, or none.
        size: How many there are: one.
    """

    __slots__ = ("_job", "_pending", "context", "left", "size")

    def __init__(self, pending: PendingScore) -> None:
        self._pending = pending
        self._job: Job | None = None
        self.context = Context()
        self.size = self.left = 1

    @property
    def is_deferred(self) -> bool:
        """Whether no job has been made of any: never."""
        return False

    @property
    def untaken(self) -> int:
        """How many have neither been taken nor given up."""
        return 1 if self._job is None else 0

    def take(self) -> Job:
        """Return the job."""
        if self._job is None:
            pending = self._pending
            timeout = pending.experiment.settings.variant_timeout
            self._job = Job(self.context, pending.fail, timeout, batch=self)
            self._job.work = partial(_score, pending)
        return self._job

    def leave(self, count: int) -> tuple[Job, ...]:
        """Give it up if it has not been taken, and return its job if so."""
        if count < 1 or self._job is not None:
            return ()
        self._pending.lose("there is no room for more outputs to be scored")
        return (self.take(),)


def _score(pending: PendingScore) -> Outcome:
    pending.run(background_loop.run)
    return Outcome("success")


def hand_over_score(pending: PendingScore) -> None:
    """Have an output scored, if there is room; a call never waits for that, whatever the limits say of variants."""
    waiting = len(variant_pool.workers.queue)
    if waiting >= variant_pool.limits.queue_size:
        pending.lose(f"{waiting} outputs and variants wait in the background already (queue_size)")
        return
    batch = ScoreBatch(pending)
    try:
        variant_pool.hand_over(batch, 1)
    except BaseException:  # The caller was interrupted.
        variant_pool.cancel_rest(batch)
        raise


def item_log() -> ItemLog:
    """Return where the items of a stream are kept that is to be scored."""
    return ItemLog(variant_pool.limits.stream_items)


output_scorer.hand_over = hand_over_score

"""A few requests at a time, on threads that hold up neither a fork nor the exit of the process."""

import queue
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TypeVar

Item = TypeVar("Item")


def for_each(function: Callable[[Item], None], items: Iterable[Item], at_once: int) -> None:
    """Call a function that raises nothing with each item, some at once, and wait for all of them.

    Args:
        function: Called on this thread, and on daemon threads beside it.
        items: What it is called with, once each.
        at_once: How many calls run at the same time.
    """
    left: queue.SimpleQueue[Item] = queue.SimpleQueue()
    count = 0
    for item in items:
        left.put(item)
        count += 1

    def work() -> None:
        with suppress(queue.Empty):
            while True:
                function(left.get_nowait())

    # Not an executor, whose threads the interpreter waits for at exit, however long a server takes.
    helpers = [threading.Thread(target=work, daemon=True) for _ in range(min(at_once, count) - 1)]
    started = []
    for helper in helpers:
        with suppress(RuntimeError):  # No more threads, or the interpreter is shutting down: this one does it all.
            helper.start()
            started.append(helper)
    work()
    for helper in started:
        helper.join()

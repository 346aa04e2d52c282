"""How long a reload keeps an event loop from running, what a call costs while files are watched, and who follows when.

A loop under load wakes up again and again, while the file of the configs of an experiment is replaced, many times. It
is late for many reasons: other programs, its own work, the garbage collector. Of each delay only that part counts in
which other threads of the process computed, as those alone are the reload's; the whole delay is printed beside it.

Workers, forked and spawned, call all the time, and tell when they have had what a file says now. Memory is what the
process holds after many reloads, of which the first ones fill what is kept.
"""

import asyncio
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from floor import Row, compare, without_gc

import spearmint
from spearmint import Spearmint
from spearmint.strategies import SplitStrategy

CONFIGS = 50
PASSES = 3  # The one with the shortest delays counts, as the others were disturbed.
SECONDS = 3.0
BETWEEN_CHANGES = 0.3
CALLS_IN_A_TURN = 20
TURN = 0.0005
WATCHED = 0.05
MOST_SECONDS = 0.005
WATCHING_RATIO = 1.05
EVERY = 1.0  # as `reload: {every: 1.0}`
FOLLOW_SECONDS = 1.5
CHANGES = 8
RELOADS = 400
MOST_GROWTH = 4  # MB


@dataclass(frozen=True, slots=True)
class Delay:
    """How much later than asked for a loop ran, in seconds.

    Attributes:
        whole: For whatever reason.
        of_threads: While other threads of the process computed.
    """

    whole: float
    of_threads: float


def write(file: Path, number: int) -> None:
    """Replace a file by one with other configs."""
    lines = [f"- {{name: config-{i}, limit: {number + i}, prompt: 'Answer question {i}'}}\n" for i in range(CONFIGS)]
    aside = file.with_name("aside")
    aside.write_text("".join(lines), "utf-8")
    aside.replace(file)


def others() -> float:
    """Return what other threads than this one have taken of processors, in seconds."""
    return time.process_time() - time.thread_time()


async def delays(call: Callable[[], Any], file: Path | None) -> list[Delay]:
    """Keep a loop under load for a while, replace the file now and then, and return how late the loop was."""
    found = []
    number, change_at, end = 0, time.perf_counter() + BETWEEN_CHANGES, time.perf_counter() + SECONDS
    while (started := time.perf_counter()) < end:
        before = others()
        await asyncio.sleep(TURN)
        late = max(0.0, time.perf_counter() - started - TURN)
        found.append(Delay(late, min(late, others() - before)))
        for _ in range(CALLS_IN_A_TURN):
            await call()
        if file is not None and time.perf_counter() > change_at:
            number += CONFIGS
            write(file, number)
            change_at = time.perf_counter() + BETWEEN_CHANGES
    return found


def tell(name: str, found: Sequence[Delay]) -> float:
    """Print the longest delays, and return the longest one that was other threads' doing."""
    wholes = sorted(one.whole for one in found)
    longest = max(one.of_threads for one in found)
    of_all = f"longest {wholes[-1] * 1e3:6.2f} ms, one in a thousand {wholes[-len(found) // 1000] * 1e3:5.2f} ms"
    print(f"{name:12} {len(found):6} turns, late: {of_all}, by other threads {longest * 1e3:5.2f} ms at most")
    return longest


def pauses(file: Path) -> bool:
    """Compare how late a loop is without and with changes of a watched file."""
    mint = Spearmint(configs=os.fspath(file), reload=WATCHED)

    @mint.experiment()
    async def answer(config: Any) -> Any:
        return config["limit"]

    asyncio.run(answer())
    time.sleep(4 * WATCHED)  # The first look reads everything.
    with without_gc():  # A full collection is due with or without a reload, in whichever thread.
        before = spearmint.settings_stats().loaded
        longest = []
        for _ in range(PASSES):
            tell("no change", asyncio.run(delays(answer, None)))
            longest.append(tell("changes", asyncio.run(delays(answer, file))))
    loaded = spearmint.settings_stats().loaded - before
    verdict = "ok" if min(longest) <= MOST_SECONDS and loaded else "MISSED"
    print(f"{loaded} reloads of {CONFIGS} configs, limit {MOST_SECONDS * 1e3:.0f} ms: {verdict}")
    return verdict == "ok"


def watched_calls(file: Path) -> bool:
    """Compare a call of an experiment whose file is watched with one whose configs are from nowhere."""

    def page(config: Any) -> Any:
        return config

    make = partial(Spearmint, strategy=SplitStrategy(salt="reload"))
    watched = make(configs=os.fspath(file), reload=WATCHED).experiment()(page)
    plain = make(configs=[os.fspath(file)]).experiment()(page)
    with spearmint.RuntimeContext(attributes={"user_id": "ann"}):
        return compare([Row(name="watched", floor=plain, ours=watched, limit=WATCHING_RATIO)])


def declared(file: Path, every: float) -> Callable[[], int]:
    """Return an experiment that gives a number of the first config of a watched file."""
    mint = Spearmint(configs=os.fspath(file), reload=every)

    @mint.experiment()
    def page(config: Any) -> int:
        return int(config["limit"])

    return page


def follow(page: Callable[[], int] | Path, told: Any) -> None:
    """Call all the time, and tell each new number with the time at which it came first."""
    if isinstance(page, Path):
        page = declared(page, EVERY)
    last = None
    while last != CHANGES * CONFIGS:
        number = page()
        if number != last:
            told.put((number, time.time()))
            last = number
        time.sleep(0.002)


def workers(file: Path) -> bool:
    """Tell how long after a change of a file the workers have it, which were forked or spawned."""
    write(file, 0)
    page = declared(file, EVERY)
    page()
    held = True
    for method, given in (("fork", page), ("spawn", file)):
        write(file, 0)
        spearmint.reload()
        made = multiprocessing.get_context(method)
        told = made.Queue()
        worker = made.Process(target=follow, args=(given, told))
        worker.start()
        told.get(timeout=60)
        late = []
        for change in range(1, CHANGES + 1):
            time.sleep(0.37 * change)  # Changes come at all times between two looks.
            write(file, change * CONFIGS)
            written = time.time()
            late.append(told.get(timeout=60)[1] - written)
        worker.join()
        verdict = "ok" if max(late) <= FOLLOW_SECONDS else "MISSED"
        print(f"worker, {method}: has a change after {max(late):.2f} s at most (limit {FOLLOW_SECONDS}): {verdict}")
        held &= verdict == "ok"
    return held


def resident() -> float:
    """Return how many MB of memory this process holds now."""
    pages = Path("/proc/self/statm").read_text("utf-8").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20


def memory(file: Path) -> bool:
    """Tell by how much memory grows over many reloads, calls between them."""
    page = declared(file, 60.0)
    sizes = []
    for number in range(1, RELOADS + 1):
        write(file, number * CONFIGS)
        spearmint.reload()
        page()
        if number in (RELOADS // 4, RELOADS):
            sizes.append(resident())
    growth = sizes[1] - sizes[0]
    verdict = "ok" if growth <= MOST_GROWTH else "MISSED"
    print(f"memory: {growth:+.1f} MB over {RELOADS * 3 // 4} reloads (limit {MOST_GROWTH}): {verdict}")
    return verdict == "ok"


def main() -> int:
    """Print the figures; return 1 when a limit is missed."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "configs.yaml")
        write(file, 0)
        results = [workers(file), watched_calls(file), pauses(file)]
        if Path("/proc/self/statm").exists():
            results.append(memory(file))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())

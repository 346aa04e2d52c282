"""The lag of an event loop, as its timers tell it."""

import asyncio
import time

from spearmint.execution import loop_lag as lags
from spearmint.execution.loop_lag import loop_lag


def test_lag_is_what_the_loop_was_held_up() -> None:
    seen: list[float] = []

    async def main() -> float:
        loop = asyncio.get_running_loop()
        lag = loop_lag(loop)
        lag.watch(loop, lambda: seen.append(lag.average))
        lag.watch(loop, lambda: seen.append(lag.average))  # A second time changes nothing.
        time.sleep(0.2)  # noqa: ASYNC251 - what a loop should not meet
        for _ in range(2):
            await asyncio.sleep(0)
        lag.rest()
        lag.rest()
        assert loop_lag(loop) is lag
        return lag.seconds

    assert asyncio.run(main()) > 0.15
    assert len(seen) == 1
    assert 0.015 < seen[0] < 0.15


def test_lag_of_long_ago_is_forgotten(monkeypatch) -> None:
    lag = lags.LoopLag()
    assert lag.seconds == 0
    loop = asyncio.new_event_loop()
    lag._sample(loop, time.monotonic() - 5)
    loop.close()
    assert lag.seconds >= 5
    monkeypatch.setattr(lags, "monotonic", lambda: time.monotonic() + 2)
    assert lag.seconds == 0

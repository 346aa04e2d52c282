import logging
import threading
import warnings

import pytest

from spearmint import experiment
from spearmint.errors import SpearmintWarning
from spearmint.warn import Once, said, warn, warn_once


@pytest.fixture(autouse=True)
def nothing_said():
    said.clear()
    yield
    said.clear()


def test_warn_names_the_callers_line():
    with pytest.warns(SpearmintWarning, match="^the message$") as caught:
        warn("the message")
    assert caught[0].filename == __file__


def test_warn_passes_over_frames_of_spearmint():
    ask = experiment(configs=[{"k": 1}])(lambda config: warn("inside"))
    with pytest.warns(SpearmintWarning) as caught:
        ask()
    assert caught[0].filename == __file__


def test_warn_logs_where_warnings_are_errors(caplog):
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING, "spearmint"):
        warnings.simplefilter("error")
        warn("100 % of it")
    assert [record.getMessage() for record in caplog.records] == ["100 % of it"]


def test_warn_obeys_a_filter_that_ignores(caplog):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warn("unheard")
    assert not caught
    assert not caplog.records


def test_warn_once_warns_once_per_key():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for key in ("a", "a", "b"):
            warn_once(key, f"about {key}")
    assert [str(one.message) for one in caught] == ["about a", "about b"]


def test_once_gives_one_thread_the_first_turn():
    once, barrier, firsts = Once(), threading.Barrier(8), []

    def ask():
        barrier.wait()
        firsts.append(once.is_first("key"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(firsts) == [False] * 7 + [True]
    once.clear()
    assert once.is_first("key")

import threading
from time import monotonic, perf_counter, sleep

import pytest

import spearmint.giving_way
from spearmint import Spearmint, settings_stats
from spearmint.giving_way import give_way, giving_way


@pytest.fixture
def pauses(monkeypatch):
    """Return the names of the threads that paused, in order."""
    found = []

    def pause(seconds):
        found.append(threading.current_thread().name)
        sleep(seconds)

    monkeypatch.setattr(spearmint.giving_way, "sleep", pause)
    return found


def run_for(seconds):
    end = perf_counter() + seconds
    while perf_counter() < end:
        pass


def test_thread_that_is_to_give_way_pauses_once_it_has_run(pauses):
    with giving_way():
        run_for(0.002)
        give_way()

    assert len(pauses) == 1


def test_thread_that_is_not_to_give_way_does_not_pause(pauses):
    run_for(0.002)
    give_way()

    assert pauses == []


def test_thread_gives_way_no_more_after_the_block(pauses):
    with giving_way(), giving_way():
        pass
    run_for(0.002)
    give_way()

    assert pauses == []


def test_other_threads_do_not_give_way(pauses):
    with giving_way():
        other = threading.Thread(target=lambda: (run_for(0.002), give_way()))
        other.start()
        other.join()

    assert pauses == []


def test_watched_file_is_read_by_a_thread_that_gives_way(pauses, tmp_path):
    file = tmp_path / "configs.yaml"
    text = "\n".join(f"- {{name: config-{number}, limit: %d}}" for number in range(200))
    file.write_text(text % ((1,) * 200))
    mint = Spearmint(configs=str(file), reload=0.02)
    page = mint.experiment()(lambda config: config["limit"])
    assert page() == 1
    pauses.clear()

    file.write_text(text % ((2,) * 200))
    end = monotonic() + 30
    while page() != 2 and monotonic() < end:
        sleep(0.01)

    assert page() == 2
    assert set(pauses) == {"spearmint-reload"}
    assert settings_stats().version

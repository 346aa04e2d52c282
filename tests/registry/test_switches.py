import os
import subprocess
import sys
import threading

import pytest

import spearmint
from spearmint import Spearmint, experiment
from spearmint.errors import DeclarationError
from spearmint.registry.switches import switches
from spearmint.strategies import RoundRobinStrategy, SplitStrategy

CONFIGS = [{"__config_id__": "small", "size": 1}, {"__config_id__": "large", "size": 2}]


@pytest.fixture(autouse=True)
def all_on():
    """Begin and end with every experiment switched on."""
    yield
    spearmint.enable("*")
    switches._rules.clear()


def page_of(strategy, **options):
    @experiment(configs=CONFIGS, strategy=strategy, **options)
    def page(config):
        return config.size

    return page


def name_of(function):
    return f"{function.__module__}:{function.__qualname__}"


@pytest.mark.parametrize(
    "strategy", [lambda configs: (configs[1], []), RoundRobinStrategy, SplitStrategy(weights=[0, 1])], ids=range(3)
)
def test_disabled_experiment_runs_under_its_first_config(strategy):
    page = page_of(strategy)

    def ask():
        with spearmint.RuntimeContext(attributes={"user_id": "ann"}):
            return [page() for _ in range(4)]

    kept = page  # as a table of routes does
    before = ask()
    assert 2 in before
    assert spearmint.disable(name_of(page)) == 1
    assert ask() == [1] * 4
    assert kept() == 1
    assert spearmint.enable(name_of(page)) == 1
    assert 2 in ask()


def test_disabled_experiment_has_no_variants():
    page = page_of("shadow")
    spearmint.disable(f"{__name__}:*")
    with Spearmint.run(page, await_variants=True) as runner:
        assert [one.result for one in runner()] == [1]
    spearmint.enable(f"{__name__}:*")
    with Spearmint.run(page, await_variants=True) as runner:
        assert [one.result for one in runner()] == [1, 2]


def test_disabled_experiment_below_another_stays_off():
    inner = page_of(lambda configs: (configs[1], []))

    @experiment(configs=[{"outer": 1}])
    def outer(config):
        return inner()

    assert outer() == 2
    spearmint.disable(name_of(inner))
    assert outer() == 1
    spearmint.enable(name_of(inner))
    assert outer() == 2


def test_enable_beside_a_declaration_has_the_last_word(monkeypatch):
    spearmint.disable(f"{__name__}:*")
    is_on, threads = switches.is_on, []

    def asked(name):
        found = is_on(name)
        if not threads:
            threads.append(threading.Thread(target=spearmint.enable, args=(f"{__name__}:*",)))
            threads[0].start()
            threads[0].join(0.5)  # It ends now, or waits until the declaration is done.
        return found

    monkeypatch.setattr(switches, "is_on", asked)
    page = page_of(lambda configs: (configs[1], []))
    threads[0].join()
    assert page() == 2


def test_switch_holds_for_what_is_declared_later():
    spearmint.disable(f"{__name__}:page_of*")
    page = page_of(lambda configs: (configs[1], []))
    assert page() == 1
    spearmint.enable(f"{__name__}:page_of*")
    assert page() == 2


def test_last_word_about_an_experiment_counts():
    page = page_of(lambda configs: (configs[1], []))
    spearmint.disable("*")
    spearmint.enable(name_of(page))
    assert page() == 2
    assert page_of(lambda configs: (configs[1], []))() == 2
    spearmint.disable("*")
    spearmint.disable("*")
    assert page() == 1
    spearmint.enable("*")
    assert page() == 2


def test_earlier_declaration_of_a_name_is_switched_too():
    pages = [page_of(lambda configs: (configs[1], [])) for _ in range(3)]
    assert spearmint.disable(name_of(pages[0])) == 1
    assert [page() for page in pages] == [1, 1, 1]
    spearmint.enable(name_of(pages[0]))
    assert [page() for page in pages] == [2, 2, 2]


def test_target_that_matches_nothing_is_told_by_the_count():
    assert spearmint.disable("nowhere:*") == 0


@pytest.mark.parametrize("target", ["", None, 5], ids=str)
def test_target_that_is_no_text_is_refused(target):
    with pytest.raises(DeclarationError, match="it is no target"):
        spearmint.disable(target)


@pytest.mark.slow
def test_environment_switches_off_from_the_start():
    source = """
from spearmint import experiment
@experiment(configs=[{"size": 1}, {"size": 2}], strategy=lambda configs: (configs[1], []))
def page(config): return config.size
@experiment(configs=[{"size": 1}, {"size": 2}], strategy=lambda configs: (configs[1], []))
def other(config): return config.size
print(page(), other())
"""
    done = subprocess.run(
        [sys.executable, "-c", source],
        env={**os.environ, "SPEARMINT_OFF": " nowhere:*, __main__:pa* "},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "1 2\n"

"""The environment variable SPEARMINT_FORCE."""

import pytest

import spearmint
from spearmint import RuntimeContext, experiment
from spearmint.errors import DeclarationError, SpearmintWarning
from spearmint.registry.forced import forced_by_environment, parse_forced
from spearmint.strategies import ShadowStrategy, SplitStrategy

CONFIGS = [{"__config_id__": "small", "n": 1}, {"__config_id__": "large", "n": 2}]


@pytest.fixture
def force(monkeypatch):
    return lambda text: monkeypatch.setattr(forced_by_environment, "_text", text)


def declare(strategy="single"):
    @experiment(configs=CONFIGS, strategy=strategy)
    def page(config):
        return config.n

    return page


def test_text_is_read_as_targets_with_ids():
    assert parse_forced("a:b=c, d.*:x=y ,", "it") == {"a:b": "c", "d.*:x": "y"}
    assert parse_forced("", "it") == {}


@pytest.mark.parametrize("text", ["a:b", "=c", "a:b=", " = "])
def test_text_that_reads_otherwise_is_refused(text):
    with pytest.raises(DeclarationError, match="in SPEARMINT_FORCE: it is no target with a config"):
        parse_forced(text, "SPEARMINT_FORCE")


def test_forced_config_is_that_of_every_call(force):
    force("*:*page=large")
    told = []
    spearmint.configure(online={"sink": told.extend})
    try:
        page = declare(SplitStrategy(salt="s", weights=[1, 0]))
        for user in ("ann", "bob"):
            with RuntimeContext(attributes={"user_id": user}):
                assert page() == 2
        assert spearmint.flush(60)
    finally:
        spearmint.configure(online={"sink": None})
    assert [one for one in told if one["type"] == "exposure"] == []


def test_forced_experiment_runs_no_variants(force):
    force("*:*page=large")
    page = declare(ShadowStrategy())
    with spearmint.Spearmint.run(page, await_variants=True) as runner:
        results = runner()
    assert (results.main_result.result, results.variant_results) == (2, [])


def test_forced_id_that_is_unknown_is_warned_of(force):
    force("*:*page=larg")
    with pytest.warns(SpearmintWarning, match="Did you mean 'large'"):
        page = declare()
    assert page() == 1


def test_switch_wins_over_what_is_forced(force):
    force("*:*page=large")
    page = declare()
    assert page() == 2
    spearmint.disable("*:*page")
    try:
        assert page() == 1
    finally:
        spearmint.enable("*:*page")
    assert page() == 2

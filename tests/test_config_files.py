"""Config files of an instance that is watched."""

import time

import pytest

import spearmint
from spearmint import Spearmint
from spearmint.errors import ConfigError, DeclarationError

DEADLINE_SECONDS = 60


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "configs.yaml"
    path.write_text("n: 1")
    return path


def test_watched_configs_reach_what_is_declared_before_and_after(file):
    mint = Spearmint(configs=file, reload=3600)

    @mint.experiment
    def first(config):
        return config.n

    file.write_text("n: 2")
    spearmint.reload()

    @mint.experiment
    def second(config):
        return config.n, first()

    assert (first(), second(), mint.configs) == (2, (2, 2), [{"n": 2}])


def test_experiment_with_configs_of_its_own_stays(file):
    mint = Spearmint(configs=[str(file), {"n": 7}], reload=3600)

    @mint.experiment(configs=[{"n": 5}])
    def own(config):
        return config.n

    file.write_text("n: 2")
    spearmint.reload()
    assert (own(), mint.configs) == (5, [{"n": 2}, {"n": 7}])


def test_bad_configs_leave_the_good_ones(file):
    mint = Spearmint(configs=file, reload=3600)
    file.write_text("n: [")
    with pytest.raises(ConfigError, match="Cannot read YAML"):
        spearmint.reload()
    assert mint.configs == [{"n": 1}]
    file.unlink()
    with pytest.raises(ConfigError, match="there is no"):
        spearmint.reload()
    assert mint.configs == [{"n": 1}]


@pytest.mark.slow
def test_watched_configs_take_effect_by_themselves(file):
    mint = Spearmint(configs=file, reload=0.05)

    @mint.experiment
    def first(config):
        return config.n

    assert first() == 1
    file.write_text("n: 2")
    deadline = time.monotonic() + DEADLINE_SECONDS
    while first() != 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_reload_of_configs_in_no_file_is_refused():
    with pytest.raises(DeclarationError, match="Cannot reload configs that are in no file"):
        Spearmint(configs=[{"n": 1}], reload=1.0)
    with pytest.raises(DeclarationError, match="Cannot reload"):
        Spearmint(reload=1.0)

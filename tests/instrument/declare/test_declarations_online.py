import json

import pytest

import spearmint
from spearmint import RuntimeContext
from spearmint.errors import SettingsError
from spearmint.online.options import OnlineOptions
from spearmint.online.writer import records

SETTINGS = """
packages: [shop_online]
online: {journal: journal, flush_every: 0.5}
experiments:
  - target: shop_online:page
    configs: [{__config_id__: small, size: 1}, {__config_id__: large, size: 2}]
    strategy: {use: split, with: {weights: {small: 0, large: 1}, only_if: {plan: {in: [pro]}}}}
    bindings: {size: size}
  - target: shop_online:off
    configs: [{size: 1}, {size: 2}]
    strategy: round_robin
    bindings: {size: size}
    enabled: false
"""
SOURCE = "def page(size=0): return size\ndef off(size=0): return size\n"


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A module that a settings file splits, with a journal beside that file."""
    (tmp_path / "shop_online.py").write_text(SOURCE)
    (tmp_path / "spearmint.yaml").write_text(SETTINGS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "shop_online", raising=False)
    records.reset()
    with spearmint.install(tmp_path / "spearmint.yaml"):
        import shop_online

        yield shop_online
    assert records.options == OnlineOptions()
    records.reset()


def test_split_of_a_settings_file_writes_its_journal(shop, tmp_path):
    with RuntimeContext(attributes={"user_id": "ann", "plan": "pro"}):
        assert shop.page() == 2
    with RuntimeContext(attributes={"user_id": "ann", "plan": "free"}):
        assert shop.page() == 1
    assert spearmint.flush(10)
    (path,) = (tmp_path / "journal").iterdir()
    found = [json.loads(line) for line in path.read_text().splitlines()]
    (exposure,) = [record for record in found if record["type"] == "exposure"]
    assert exposure["feature_flag.key"] == "shop_online:page"
    assert exposure["feature_flag.result.variant"] == "large"
    assert exposure["feature_flag.set.id"] == str(tmp_path / "spearmint.yaml")


def test_entry_that_is_not_enabled_runs_under_its_first_config(shop):
    assert [shop.off() for _ in range(3)] == [1, 1, 1]
    spearmint.enable("shop_online:off")
    assert [shop.off() for _ in range(3)] == [1, 2, 1]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("online: {jurnal: x}", "Cannot set online option 'jurnal'.*Did you mean 'journal'"),
        ("online: {flush_every: 0}", "Cannot set online option 'flush_every' to 0"),
        (
            "experiments: [{target: 'a:f', strategy: {use: split, with: {traffic: 2}}}]",
            "Cannot split by traffic 2",
        ),
        (
            "experiments: [{target: 'a:f', strategy: {use: split, with: {only_if: {age: {gte: 1}}}}}]",
            "there is no operator 'gte'",
        ),
        (
            "experiments: [{target: 'a:f', strategy: {use: split, with: {trafic: 0.5}}}]",
            "'trafic'",
        ),
    ],
    ids=range(5),
)
def test_settings_that_cannot_be_are_told_with_their_line(tmp_path, line, problem):
    path = tmp_path / "spearmint.yaml"
    path.write_text(f"packages: [a]\n{line}\n")
    with pytest.raises(SettingsError, match=problem) as caught:
        spearmint.install(path)
    assert caught.value.line == 2

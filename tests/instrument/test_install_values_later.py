"""Values under experiment that nothing has looked for: they are made at the first look, as if they had always been."""

import sys

import pytest

import spearmint
from spearmint import Spearmint
from spearmint.errors import SettingsError
from spearmint.planning.value_slots import slot_of
from spearmint.registry.plain_calls import plain_calls
from spearmint.registry.registry import registry
from spearmint.registry.switches import switches
from spearmint.testing import override

SHOP = {
    "shop/__init__.py": "",
    "shop/prompts.py": """
        SYSTEM = "Be kind."
        TOP_K = 5

        def answer(q):
            return f"{SYSTEM} {q}"
        """,
}
NAME = "shop.prompts:SYSTEM"


def system(**rest):
    return {"value": NAME, "configs": [{"v": "Be brief."}], "path": "v", "within": ["shop.prompts:answer"], **rest}


@pytest.fixture
def shop(project):
    """Install settings about the shop and import it, and tell whether its prompt has been made."""
    project.write(SHOP)

    def install(*values):
        handle = spearmint.install({"packages": ["shop"], "experiments": list(values)})
        return project.load("shop.prompts"), handle

    yield install
    spearmint.uninstall()
    switches._rules.clear()


def is_made():
    return slot_of(NAME).experiment is not None


def test_value_is_made_at_the_first_call_that_reads_it(shop):
    prompts, _ = shop(system())
    assert not is_made()

    case = Spearmint.run(prompts.answer)("?").main_result.experiment_case

    assert is_made()
    assert dict(case.config_ids)[NAME] == "original"


def test_value_is_made_at_the_first_look_at_the_registry(shop):
    shop(system(), {"value": "shop.prompts:TOP_K", "configs": [{"k": 3}], "path": "k"})
    assert not is_made()

    assert NAME in registry
    assert is_made()
    assert {NAME, "shop.prompts:TOP_K"} <= {one.name for one in registry}


def test_value_is_overridden_before_anything_has_read_it(shop):
    prompts, _ = shop(system())

    with override(NAME, {"v": "Be brief."}):
        assert prompts.answer("?") == "Be brief. ?"
    assert prompts.answer("?") == "Be kind. ?"


def test_value_that_nothing_has_looked_for_is_switched(shop):
    shop(system())
    assert not is_made()

    assert spearmint.disable("shop.prompts:SYS*") == 1
    assert registry.get(NAME).is_pinned
    assert spearmint.enable("shop.prompts:SYS*") == 1


def test_value_that_nothing_has_looked_for_is_paused(shop):
    _, handle = shop(system())

    handle.pause()
    assert not is_made()
    assert registry.get(NAME).is_pinned
    handle.resume()
    assert not registry.get(NAME).is_pinned


def test_value_that_nothing_has_looked_for_is_taken_back(shop):
    prompts, handle = shop(system())
    assert not plain_calls.are_enough

    handle.uninstall()

    assert slot_of(NAME).value is None
    assert prompts.answer("?") == "Be kind. ?"


def test_last_settings_that_name_a_value_hold(shop, project):
    shop(system())
    second = {"packages": ["shop"], "experiments": [system(configs=[{"v": "Be loud."}], original=False)]}
    with spearmint.install({**second, "on_missed": "ignore"}):
        assert [one["v"] for one in registry.get(NAME).configs] == ["Be loud."]


@pytest.mark.parametrize(
    ("entry", "cause"),
    [
        ({"value": "shop.prompts:SYSTEMS", "configs": [{"v": "a"}], "path": "v"}, "has no 'SYSTEMS'"),
        (system(configs=[{"v": 1}]), "it is of type str"),
        (system(configs=[{"w": "a"}]), "has nothing at 'v'"),
        (system(configs=[{"v": {"$sweep": ["a", 2]}}]), "it is of type str"),
    ],
)
def test_bad_value_is_told_when_its_module_is_imported(shop, entry, cause):
    with pytest.raises(SettingsError, match=cause):
        shop(entry)
    sys.modules.pop("shop.prompts", None)

"""A value that is split by user: one prompt for each, and an exposure where it is read."""

import asyncio
import contextlib
import json

import pytest

import spearmint
from spearmint import RuntimeContext
from spearmint.config import parse_configs
from spearmint.online.writer import records
from spearmint.registry.changes import publish
from spearmint.registry.registry import registry


@pytest.fixture
def desk(project):
    """Give a function that reads a prompt only when it is asked to, under a split with a journal."""
    project.write(
        {
            "desk/__init__.py": "",
            "desk/prompts.py": "SYSTEM = 'Be kind.'\n",
            "desk/api.py": """
                from desk.prompts import SYSTEM

                def answer(asks):
                    return (SYSTEM, SYSTEM) if asks else None

                async def answer_later(fails):
                    return fails / 0 if SYSTEM and fails else SYSTEM

                def stream(fails):
                    yield SYSTEM
                    yield fails / 0 if fails else SYSTEM
            """,
        }
    )
    entry = {
        "value": "desk.prompts:SYSTEM",
        "within": ["desk.api:answer", "desk.api:answer_later", "desk.api:stream"],
        "configs": [{"__config_id__": "brief", "v": "Be brief."}],
        "path": "v",
        "strategy": {"use": "split", "with": {"unit": "user_id"}},
    }
    journal = project.folder.parent / "journal"
    settings = {"packages": ["desk"], "experiments": [entry], "online": {"journal": str(journal)}}
    with spearmint.install(settings):
        yield project.load("desk.api"), journal
    records.reset()


def records_of(journal):
    spearmint.flush(30)
    return [json.loads(line) for path in journal.iterdir() for line in path.read_text().splitlines()]


def test_each_user_has_one_prompt_and_is_exposed_by_a_read(desk):
    api, journal = desk
    answer = api.answer
    seen = {}
    for user in [f"user{number}" for number in range(20)] * 2:
        with RuntimeContext(attributes={"user_id": user}):
            assert answer(False) is None
            first, second = answer(True)
        assert first == second == seen.setdefault(user, first)
    with RuntimeContext(attributes={"user_id": "silent"}):
        answer(False)

    told = [one for one in records_of(journal) if one.get("type") == "exposure"]
    arms = {one["feature_flag.context.id"]: one["feature_flag.result.variant"] for one in told}

    assert set(seen.values()) == {"Be kind.", "Be brief."}
    assert len(told) == len(arms) == 20
    assert arms == {user: "brief" if text == "Be brief." else "original" for user, text in seen.items()}


def test_configs_read_anew_while_it_is_off_expose_later(desk):
    api, journal = desk
    known = registry.get("desk.prompts:SYSTEM")
    configs = parse_configs([{"__config_id__": "original", "v": "Be kind."}, {"__config_id__": "short", "v": "Short."}])
    pin = known.pin()
    publish([(known, known.declare_anew(configs, known.settings.strategy))])
    known.unpin(pin)
    for number in range(20):
        with RuntimeContext(attributes={"user_id": f"user{number}"}):
            api.answer(True)

    arms = {one["feature_flag.result.variant"] for one in records_of(journal) if one.get("type") == "exposure"}
    assert arms == {"original", "short"}


def test_a_call_without_variants_tells_of_a_values_errors(desk):
    api, journal = desk
    with RuntimeContext(attributes={"user_id": "ann"}):
        api.answer(True)
        api.answer(False)  # It reads no value, and is no call of its arm.
        for fails in (False, True, True):
            call(lambda fails=fails: asyncio.run(api.answer_later(fails)))
            call(lambda fails=fails: list(api.stream(fails)))

    told = [one for one in records_of(journal) if one.get("name") in ("error", "duration")]
    assert {one["feature_flag.key"] for one in told} == {"desk.prompts:SYSTEM"}
    for name in ("error", "duration"):
        assert sum(one["count"] for one in told if one["name"] == name) == 7
    assert sum(one["count"] * one["value"] for one in told if one["name"] == "error") == pytest.approx(4)
    assert sum(one["count"] * one["value"] for one in told if one["name"] == "duration") > 0


def call(function):
    with contextlib.suppress(ZeroDivisionError):
        function()

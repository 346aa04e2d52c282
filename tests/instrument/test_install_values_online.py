"""A value that is split by user: one prompt for each, and an exposure where it is read."""

import json

import pytest

import spearmint
from spearmint import RuntimeContext
from spearmint.online.writer import records


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
            """,
        }
    )
    entry = {
        "value": "desk.prompts:SYSTEM",
        "within": "desk.api:answer",
        "configs": [{"__config_id__": "brief", "v": "Be brief."}],
        "path": "v",
        "strategy": {"use": "split", "with": {"unit": "user_id"}},
    }
    journal = project.folder.parent / "journal"
    settings = {"packages": ["desk"], "experiments": [entry], "online": {"journal": str(journal)}}
    with spearmint.install(settings):
        yield project.load("desk.api").answer, journal
    records.reset()


def test_each_user_has_one_prompt_and_is_exposed_by_a_read(desk):
    answer, journal = desk
    seen = {}
    for user in [f"user{number}" for number in range(20)] * 2:
        with RuntimeContext(attributes={"user_id": user}):
            assert answer(False) is None
            first, second = answer(True)
        assert first == second == seen.setdefault(user, first)
    with RuntimeContext(attributes={"user_id": "silent"}):
        answer(False)
    spearmint.flush(30)

    lines = [line for path in journal.iterdir() for line in path.read_text().splitlines()]
    told = [one for one in map(json.loads, lines) if one.get("type") == "exposure"]
    arms = {one["feature_flag.context.id"]: one["feature_flag.result.variant"] for one in told}

    assert set(seen.values()) == {"Be kind.", "Be brief."}
    assert len(told) == len(arms) == 20
    assert arms == {user: "brief" if text == "Be brief." else "original" for user, text in seen.items()}

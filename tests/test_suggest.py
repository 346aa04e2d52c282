import pytest

from spearmint.suggest import close_names, did_you_mean


@pytest.mark.parametrize(
    ("name", "known", "close"),
    [
        ("evalute", ["evaluate", "check", "graph"], ["evaluate"]),
        ("SHADOW", ["shadow", "single"], ["shadow"]),
        ("shop.rank:rerank", ["shop.rank:rank", "shop.rank:load"], ["shop.rank:rank"]),
        ("rerank", ["shop.rank:rerank", "shop.rank:rank"], ["shop.rank:rerank"]),
        ("shop.search", ["shop.search.Index.add", "shop.load"], ["shop.search.Index.add"]),
        ("shop.rank:zzz", ["shop.rank:rank", "shop.rank:load"], []),
        ("zzz", ["rank"], []),
        ("", ["rank"], []),
        ("a", [], []),
    ],
    ids=["typo", "case", "last part", "without module", "prefix", "same module alone", "unlike", "empty", "none known"],
)
def test_close_names(name, known, close):
    assert close_names(name, known) == close


def test_close_names_are_at_most_three_closest_first():
    known = [f"config_{number}" for number in range(20)]
    assert close_names("config_7", known)[0] == "config_7"
    assert len(close_names("config_x", known)) == 3


def test_did_you_mean_is_a_sentence_after_a_space():
    assert did_you_mean("swep", ["sweep", "swap", "other"]) == " Did you mean 'sweep' or 'swap'?"
    assert did_you_mean("nothing like it", ["sweep"]) == ""

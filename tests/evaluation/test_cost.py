import math

import pytest

from spearmint.errors import EvaluationError
from spearmint.evaluation import cost
from spearmint.evaluation.cost import PriceList
from spearmint.evaluation.usage import ModelUsage

GIVEN = {"mine": {"input_per_million_tokens": 2.0, "output_per_million_tokens": 10.0}}


def usd(model, given=1_000_000, made=0, prices=None, **more):
    return PriceList(prices).usd((ModelUsage(model, more.pop("provider", None), given, made, **more),))


@pytest.fixture
def catalogue(monkeypatch):
    """Price models as a catalogue would, without the one that changes with each MLflow."""

    def price(given, made, **more):
        return {"input_per_million_tokens": given, "output_per_million_tokens": made, **more}

    long = {"threshold_tokens": 200_000, "input_per_million_tokens": 2.0}
    found = {
        "agreed": {"azure": price(3.0, 6.0), "openai": price(3.0, 6.0)},
        "resold": {"azure": price(8.0, 24.0), "mistral": price(0.5, 1.5)},
        "disputed": {"a": price(1.0, 1.0), "b": price(2.0, 2.0)},
        "cached": {"openai": price(10.0, 20.0, cache_read_per_million_tokens=1.0)},
        "long": {"gemini": price(1.0, 2.0, long_context=[long])},
        "embedding": {"openai": {"input_per_million_tokens": 0.1}},
    }
    monkeypatch.setattr(cost, "catalog", lambda: found)


def test_given_prices_win(catalogue):
    assert usd("mine", 500_000, 100_000, GIVEN) == 2.0
    assert usd("agreed", prices={"agreed": GIVEN["mine"]}) == 2.0
    assert usd("mine-2026-01-31", prices=GIVEN) == 2.0
    assert usd("provider/mine", prices=GIVEN) == 2.0


def test_catalogue_prices_what_providers_agree_on(catalogue):
    assert usd("agreed", 1_000_000, 1_000_000) == 9.0
    assert usd("agreed-20240806") == 3.0


def test_resold_model_costs_what_its_provider_or_maker_asks(catalogue):
    assert usd("resold") == 0.5
    assert usd("resold", provider="azure") == 8.0
    assert usd("azure/resold") == 8.0


def test_price_that_is_not_known_is_nan(catalogue):
    for model in ("disputed", "unheard", None):
        assert math.isnan(usd(model))
    assert math.isnan(usd("embedding", 10, 5))
    assert usd("embedding") == 0.1
    assert math.isnan(PriceList().usd(None))
    assert math.isnan(PriceList(GIVEN).usd((ModelUsage("mine", None, 1, 1), ModelUsage("unheard", None, 1, 1))))


def test_cached_tokens_have_prices_of_their_own(catalogue):
    assert usd("cached", 1_000_000, 0, cache_read=500_000) == 5.5
    assert usd("agreed", 1_000_000, 0, cache_read=500_000, cache_written=500_000) == 3.0


def test_long_inputs_cost_what_long_inputs_cost(catalogue):
    assert usd("long", 200_000) == 0.2
    assert usd("long", 300_000) == 0.6


def test_cost_that_a_span_tells_is_taken():
    assert usd("unheard", usd=0.25) == 0.25


def test_calls_of_unpriced_models_are_told(catalogue):
    prices = PriceList()
    prices.note_unpriced((ModelUsage("unheard", None, 1, 1), ModelUsage("agreed", None, 1, 1)))
    prices.note_unpriced((ModelUsage(None, None, 1, 1),) * 2)
    unnamed, unheard = prices.notes()
    assert unheard.startswith(
        "The cost of 1 call is unknown: the price of 'unheard' is not known. Give prices={'unheard':"
    )
    assert unnamed == (
        "The cost of 2 calls is unknown: they do not tell their model. Give usage=, a function that tells it."
    )


@pytest.mark.parametrize(
    ("prices", "message"),
    [
        ([], "Cannot price tokens by \\[\\]: it is no mapping"),
        ({"m": {"input_per_million_tokens": 1}}, "Cannot price 'm' by .*: it lacks a price"),
        ({"m": GIVEN["mine"] | {"output_per_milion": 1}}, "there is no price 'output_per_milion'"),
        ({"m": GIVEN["mine"] | {"output_per_million_tokens": -1}}, "output_per_million_tokens is -1, and no number"),
        ({"m": GIVEN["mine"] | {"output_per_million_tokens": "3"}}, "output_per_million_tokens is '3', and no number"),
    ],
    ids=["list", "one", "name", "negative", "text"],
)
def test_prices_of_another_form_are_refused(prices, message):
    with pytest.raises(EvaluationError, match=message):
        PriceList(prices)


def test_bundled_catalogue_has_prices_of_well_known_models():
    pytest.importorskip("mlflow")
    found = cost.catalog()
    assert len(found) > 500
    assert 0 < usd("gpt-4o-mini", 1000, 1000) < 0.1
    assert usd("gpt-4o-mini") == found["gpt-4o-mini"]["openai"]["input_per_million_tokens"]

"""What tokens cost: by prices that the caller gives, else by the catalogue that comes with MLflow."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from spearmint.errors import EvaluationError
from spearmint.evaluation.usage import ModelUsage, Usages
from spearmint.suggest import did_you_mean
from spearmint.tracing.mlflow.model_catalog import Pricing, catalog

_INPUT = "input_per_million_tokens"
_OUTPUT = "output_per_million_tokens"
_READ = "cache_read_per_million_tokens"
_WRITTEN = "cache_write_per_million_tokens"
_KINDS = (_INPUT, _OUTPUT, _READ, _WRITTEN)
_DATE = re.compile(r"[-@](\d{4}-\d{2}-\d{2}|\d{8})$")
# Whose models others resell at prices of their own.
_MAKERS = ("openai", "anthropic", "gemini", "mistral", "cohere", "deepseek", "xai", "meta_llama", "moonshot", "ai21")
_MILLION = 1_000_000

Prices = Mapping[str, Mapping[str, float]]


class PriceList:
    """The prices of models.

    Args:
        prices: From models to US dollars for a million tokens, as `spearmint.Spearmint.evaluate` documents; these win.

    Attributes:
        unpriced: How many calls of each model have no known price.

    Raises:
        EvaluationError: If a price is none.
    """

    def __init__(self, prices: Prices | None = None) -> None:
        self._given = {} if prices is None else dict(_checked(prices))
        self._found: dict[tuple[str | None, str | None], Pricing | None] = {}
        self.unpriced: Counter[str] = Counter()

    def tokens(self, usages: Usages | None) -> tuple[float, float]:
        """Return the tokens of prompts and of answers; NaN where they are not known."""
        if usages is None:
            return math.nan, math.nan
        counts = [(one.input_tokens, one.output_tokens) for one in usages]
        return float(sum(one[0] for one in counts)), float(sum(one[1] for one in counts))

    def usd(self, usages: Usages | None) -> float:
        """Return what calls cost in US dollars; NaN where that of one of them is not known."""
        return math.nan if usages is None else sum((self._usd_of(one) for one in usages), 0.0)

    def note_unpriced(self, usages: Usages) -> None:
        """Count those calls whose price is not known."""
        for usage in usages:
            if math.isnan(self._usd_of(usage)):
                self.unpriced[usage.model or ""] += 1

    def notes(self) -> Iterator[str]:
        """Say which models have no known price."""
        for model, count in self.unpriced.most_common():
            calls = "call" if count == 1 else "calls"
            entry = f"prices={{{model!r}: {{{_INPUT!r}: ..., {_OUTPUT!r}: ...}}}}"
            cause = f"the price of {model!r} is not known" if model else "they do not tell their model"
            advice = f"Give {entry}" if model else "Give usage=, a function that tells it"
            yield f"The cost of {count} {calls} is unknown: {cause}. {advice}."

    def _usd_of(self, usage: ModelUsage) -> float:
        if usage.usd is not None:
            return float(usage.usd)
        key = usage.model, usage.provider
        if key not in self._found:
            self._found[key] = self._pricing(*key)
        pricing = self._found[key]
        return math.nan if pricing is None else _cost(usage, pricing)

    def _pricing(self, model: str | None, provider: str | None) -> Pricing | None:
        if not model:
            return None
        names = list(dict.fromkeys([model, model.partition("/")[2] or model]))
        names += [undated for name in names if (undated := _DATE.sub("", name)) != name]
        given = next((self._given[name] for name in names if name in self._given), None)
        if given is not None:
            return given
        maker = provider or (model.partition("/")[0] if "/" in model else None)
        found = (_listed(name, maker) for name in names)
        return next((one for one in found if one is not None), None)


def _listed(model: str, provider: str | None) -> Pricing | None:
    """Return a model's prices in the catalogue: the provider's, else those that all agree on, else its maker's."""
    offers = catalog().get(model, {})
    if provider is not None and (own := offers.get(provider.lower())) is not None:
        return own
    prices = {tuple(offer.get(kind) for kind in _KINDS) for offer in offers.values()}
    if len(prices) == 1:
        return next(iter(offers.values()))
    return next((offers[maker] for maker in _MAKERS if maker in offers), None)


def _cost(usage: ModelUsage, pricing: Pricing) -> float:
    """Return the price of one call; cached tokens without a price of their own cost as others do."""
    for tier in sorted(pricing.get("long_context") or (), key=lambda one: one["threshold_tokens"]):
        if usage.input_tokens > tier["threshold_tokens"]:
            pricing = {**pricing, **tier}
    if usage.output_tokens and pricing.get(_OUTPUT) is None:
        return math.nan
    plain = max(usage.input_tokens - usage.cache_read - usage.cache_written, 0)
    input_price = pricing[_INPUT]
    total = plain * input_price + usage.output_tokens * (pricing.get(_OUTPUT) or 0.0)
    for count, kind in ((usage.cache_read, _READ), (usage.cache_written, _WRITTEN)):
        price = pricing.get(kind)
        total += count * (input_price if price is None else price)
    return float(total) / _MILLION


def _checked(prices: Any) -> Iterator[tuple[str, Mapping[str, float]]]:
    form = f"Give prices={{model: {{{_INPUT!r}: ..., {_OUTPUT!r}: ...}}}}"
    if not isinstance(prices, Mapping):
        raise EvaluationError(f"Cannot price tokens by {prices!r:.100}: it is no mapping from models. {form}.")
    for model, of_model in prices.items():
        if not isinstance(of_model, Mapping) or _INPUT not in of_model or _OUTPUT not in of_model:
            raise EvaluationError(f"Cannot price {model!r} by {of_model!r:.100}: it lacks a price. {form}.")
        for kind, price in of_model.items():
            if kind not in _KINDS:
                hint = did_you_mean(str(kind), _KINDS)
                raise EvaluationError(
                    f"Cannot price {model!r}: there is no price {kind!r}, but {', '.join(_KINDS)}.{hint}"
                )
            is_number = isinstance(price, int | float) and not isinstance(price, bool)
            if not is_number or not 0 <= price < math.inf:
                cause = f"{kind} is {price!r:.100}, and no number of US dollars from 0"
                raise EvaluationError(f"Cannot price {model!r}: {cause}. Correct it.")
        yield str(model), of_model

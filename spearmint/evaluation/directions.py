"""Of which metrics less is better."""

from collections.abc import Collection

LATENCY = "latency"
"""The name under which the seconds that the function took are a metric like any other."""
TOKENS_IN = "tokens.input"
TOKENS_OUT = "tokens.output"
COST = "cost"
"""The tokens of a call, and what they cost in US dollars."""
LOWER_IS_BETTER = frozenset({LATENCY, TOKENS_IN, TOKENS_OUT, COST})
"""The metrics of which less is better, whether or not the caller says so."""


def is_lower_better(metric: str, lower: Collection[str] = ()) -> bool:
    """Tell whether less of a metric is better: of latency, cost and tokens always, of others where it was said."""
    return metric in LOWER_IS_BETTER or metric in lower

"""How many tokens a call took: read from spans, or from its output in the shapes of OpenAI's and Anthropic's APIs."""

import math
import numbers
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

from spearmint.tracing.mlflow.token_usage import SpanUsage

_INPUT = ("prompt_tokens", "input_tokens")  # OpenAI's chat completions and embeddings; all others
_OUTPUT = ("completion_tokens", "output_tokens")
_READ = "cache_read_input_tokens"
_WRITTEN = "cache_creation_input_tokens"
_DETAILS = ("prompt_tokens_details", "input_tokens_details")


class ModelUsage(NamedTuple):
    """Tokens of one call of a model.

    Attributes:
        model: Its name; None where that is not known.
        provider: Whose API answered; None where that is not known.
        input_tokens: Tokens of the prompt, cached ones included.
        output_tokens: Tokens of the answer.
        cache_read: Those of the prompt that came out of the provider's cache.
        cache_written: Those that were put into it.
        usd: What it cost in US dollars, where that was told; else its price says.
    """

    model: str | None
    provider: str | None
    input_tokens: int
    output_tokens: int
    cache_read: int = 0
    cache_written: int = 0
    usd: float | None = None


Usages = tuple[ModelUsage, ...]


class CellUsage(NamedTuple):
    """Tokens of one cell.

    Attributes:
        call: Of the call that counts; None where they are not known.
        retries: Of the attempts before it.
        judges: Of its scorers.
        reused: Of steps of the call that another cell has paid for.
        error: What ``usage=`` raised, as text; None if nothing.
    """

    call: Usages | None = None
    retries: Usages = ()
    judges: Usages = ()
    reused: Usages = ()
    error: str | None = None

    @property
    def alone(self) -> Usages | None:
        """Those of the call as if it had been the only one."""
        return None if self.call is None else self.call + self.reused

    @classmethod
    def of(cls, fields: Sequence[Any] | None) -> Self | None:
        """Return what JSON has made a list of.

        Raises:
            TypeError: If it is something else.
        """
        if fields is None:
            return None
        call, *others, error = fields
        retries, judges, reused = map(_usages, others)
        return cls(None if call is None else _usages(call), retries, judges, reused, error)


NO_USAGE = CellUsage()


def usage_of_spans(spans: Sequence[SpanUsage]) -> Usages | None:
    """Return the tokens that spans tell of; None if none does.

    Some integrations sum up on the span of an agent what the spans of its calls have said, so that a span counts for
    nothing that stands in another one with tokens; unless that one's model is not known and its own is.
    """
    by_id = {span.span_id: span for span in spans}
    told = [span for span in spans if span.tokens]
    if not told:
        return None
    sums = {span.span_id for span in told if not span.model and span.usd is None and _sums_up(span, told, by_id)}
    kept = [span for span in told if span.span_id not in sums]
    ids = {span.span_id for span in kept}
    return tuple(_of_span(span) for span in kept if not any(one.span_id in ids for one in _ancestors(span, by_id)))


def _sums_up(span: SpanUsage, told: Iterable[SpanUsage], by_id: Mapping[str, SpanUsage]) -> bool:
    """Tell whether calls with a known model stand in a span, and add up to what it says."""
    inner = [one for one in told if one.model and any(other is span for other in _ancestors(one, by_id))]
    return bool(inner) and sum(_total(one.tokens) for one in inner) == _total(span.tokens)


def _total(tokens: Mapping[str, Any] | None) -> int:
    return 0 if tokens is None else _count(tokens.get("input_tokens")) + _count(tokens.get("output_tokens"))


def _ancestors(span: SpanUsage, by_id: Mapping[str, SpanUsage]) -> Iterator[SpanUsage]:
    seen = {span.span_id}
    outer = by_id.get(span.parent_id or "")
    while outer is not None and outer.span_id not in seen:
        seen.add(outer.span_id)
        yield outer
        outer = by_id.get(outer.parent_id or "")


def _of_span(span: SpanUsage) -> ModelUsage:
    tokens = span.tokens or {}
    given, made, read, written = (
        _count(tokens.get(name)) for name in ("input_tokens", "output_tokens", _READ, _WRITTEN)
    )
    return ModelUsage(span.model, span.provider, given, made, read, written, span.usd)


def given_usage(value: Any) -> Usages | None:
    """Return what ``usage=`` has returned: a mapping, several of them, or None for what is not known.

    Raises:
        TypeError: If it is something else.
        ValueError: If a number of tokens is missing, or none.
    """
    if value is None:
        return None
    if isinstance(value, Mapping):
        return (_of_mapping(value),)
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return tuple(_of_mapping(one) for one in value)
    message = f"usage= returned {value!r:.100}, a {type(value).__name__}; it is to be a mapping, or a list of them"
    raise TypeError(message)


def _of_mapping(value: Any) -> ModelUsage:
    if not isinstance(value, Mapping):
        message = f"usage= returned a list with {value!r:.100} in it; give mappings"
        raise TypeError(message)
    for name in ("input_tokens", "output_tokens"):
        if _number(value.get(name)) is None:
            message = f"usage= returned {dict(value)!r:.100}, whose {name!r} is no number of tokens"
            raise ValueError(message)
    return ModelUsage(value.get("model"), value.get("provider"), *_counts(value))


def _counts(tokens: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Return the tokens of prompt and answer, and of the prompt's those read from the cache and written to it."""
    given, made = _count(tokens.get("input_tokens")), _count(tokens.get("output_tokens"))
    return given, made, _count(tokens.get(_READ)), _count(tokens.get(_WRITTEN))


def usage_of_output(output: Any) -> Usages | None:
    """Return the tokens that an output tells of, as an answer or a stream of OpenAI's or Anthropic's; else None."""
    if isinstance(output, list | tuple):
        return _of_stream(output)
    return None if (found := _of_answer(output)) is None else (found,)


def _of_answer(answer: Any) -> ModelUsage | None:
    usage = _get(answer, "usage")
    if usage is None:
        return None
    given, made = _first(usage, _INPUT), _first(usage, _OUTPUT)
    if given is None or (made is None and _first(usage, ("total_tokens",)) is None):
        return None
    read, written = _count(_get(usage, _READ)), _count(_get(usage, _WRITTEN))
    if _get(usage, "input_tokens") is not None and (read or written):
        given += read + written  # Anthropic's do not count what is cached.
    for name in _DETAILS:
        read = read or _count(_get(_get(usage, name), "cached_tokens"))
    model = _get(answer, "model")
    return ModelUsage(model if isinstance(model, str) else None, None, given, made or 0, read, written)


def _of_stream(items: Sequence[Any]) -> Usages | None:
    """Return the tokens of a stream's items, or of several answers in a list."""
    if started := next((_get(one, "message") for one in items if _get(one, "type") == "message_start"), None):
        return _of_events(started, items)
    if ended := [_get(one, "response") for one in items if _get(one, "type") == "response.completed"]:
        return usage_of_output(ended[-1])
    found = [(one, usage) for one in items if (usage := _of_answer(one)) is not None]
    if not found:
        return None
    if any(_get(one, "object") == "chat.completion.chunk" for one, _ in found):
        return (found[-1][1],)  # Each tells of all until then.
    return tuple(usage for _, usage in found)


def _of_events(started: Any, items: Sequence[Any]) -> Usages | None:
    """Return the tokens of a stream of Anthropic's: of the prompt at its start, of the answer as it grows."""
    found = _of_answer(started)
    deltas = [_first(_get(one, "usage"), _OUTPUT) for one in items if _get(one, "type") == "message_delta"]
    known = [one for one in deltas if one is not None]
    return None if found is None or not known else (found._replace(output_tokens=known[-1]),)


def _usages(items: Iterable[Sequence[Any]]) -> Usages:
    return tuple(ModelUsage(*one) for one in items)


def _first(thing: Any, names: Iterable[str]) -> int | None:
    """Return the first number of tokens that there is under one of some names."""
    found = (_number(_get(thing, name)) for name in names)
    return next((one for one in found if one is not None), None)


def _count(value: Any) -> int:
    return _number(value) or 0


def _number(value: Any) -> int | None:
    """Return a number of tokens; None where it is none."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return None
    number = float(value)
    return int(number) if 0 <= number < math.inf else None


def _get(thing: Any, name: str) -> Any:
    """Return a key or an attribute; None where there is neither."""
    if isinstance(thing, Mapping):
        return thing.get(name)
    try:
        return getattr(thing, name, None)
    except Exception:  # noqa: BLE001 - a property of the user's may raise anything
        return None

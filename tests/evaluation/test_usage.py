import json
import types

import pytest

from spearmint.evaluation.usage import CellUsage, ModelUsage, given_usage, usage_of_output, usage_of_spans
from spearmint.tracing.mlflow.token_usage import SpanUsage


def as_object(value):
    """Turn dicts into objects with attributes, as SDKs return them."""
    if isinstance(value, dict):
        return types.SimpleNamespace(**{name: as_object(item) for name, item in value.items()})
    return [as_object(one) for one in value] if isinstance(value, list) else value


CHAT = {
    "object": "chat.completion",
    "model": "gpt-4o-mini",
    "usage": {"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 64}},
}
RESPONSE = {
    "object": "response",
    "model": "gpt-4o",
    "usage": {"input_tokens": 10, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 4}},
}
EMBEDDING = {"model": "text-embedding-3-small", "usage": {"prompt_tokens": 8, "total_tokens": 8}}
MESSAGE = {
    "type": "message",
    "model": "claude-sonnet-4-5",
    "usage": {
        "input_tokens": 10,
        "output_tokens": 3,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 50,
    },
}
SHAPES = {
    "chat": (CHAT, ModelUsage("gpt-4o-mini", None, 100, 20, cache_read=64)),
    "response": (RESPONSE, ModelUsage("gpt-4o", None, 10, 5, cache_read=4)),
    "embedding": (EMBEDDING, ModelUsage("text-embedding-3-small", None, 8, 0)),
    # Anthropic's input tokens do not count those that are cached.
    "message": (MESSAGE, ModelUsage("claude-sonnet-4-5", None, 160, 3, cache_read=100, cache_written=50)),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("form", [dict, as_object], ids=["mapping", "object"])
def test_output_tells_its_tokens_by_its_shape(shape, form):
    output, expected = SHAPES[shape]
    assert usage_of_output(form(output)) == (expected,)


def test_stream_of_chat_chunks_tells_its_last_tokens():
    chunks = [
        {"object": "chat.completion.chunk", "model": "gpt-4o", "usage": None},
        {"object": "chat.completion.chunk", "model": "gpt-4o", "usage": {"prompt_tokens": 9, "completion_tokens": 1}},
        {"object": "chat.completion.chunk", "model": "gpt-4o", "usage": {"prompt_tokens": 9, "completion_tokens": 7}},
    ]
    assert usage_of_output(chunks) == (ModelUsage("gpt-4o", None, 9, 7),)


def test_stream_of_responses_tells_its_completion():
    events = [{"type": "response.created"}, {"type": "response.completed", "response": RESPONSE}]
    assert usage_of_output(events) == (ModelUsage("gpt-4o", None, 10, 5, cache_read=4),)


def test_stream_of_messages_takes_start_and_last_delta():
    events = [
        {"type": "message_start", "message": {**MESSAGE, "usage": {"input_tokens": 25, "output_tokens": 1}}},
        {"type": "content_block_delta"},
        {"type": "message_delta", "usage": {"output_tokens": 9}},
        {"type": "message_delta", "usage": {"output_tokens": 15}},
        {"type": "message_stop"},
    ]
    assert usage_of_output(events) == (ModelUsage("claude-sonnet-4-5", None, 25, 15),)


def test_stream_cut_short_tells_no_tokens():
    started = {"type": "message_start", "message": MESSAGE}
    assert usage_of_output([started, {"type": "content_block_delta"}]) is None


def test_several_answers_in_a_list_all_count():
    assert usage_of_output([CHAT, RESPONSE]) == (SHAPES["chat"][1], SHAPES["response"][1])


class Raising:
    @property
    def usage(self):
        raise RuntimeError("closed")


@pytest.mark.parametrize(
    "output",
    ["text", 7, None, [], [1, 2], {"usage": 3}, {"usage": {"input_tokens": "many"}}, {"usage": {}}, Raising()],
    ids=["text", "number", "none", "empty", "numbers", "usage", "many", "nothing", "raising"],
)
def test_other_outputs_tell_no_tokens(output):
    assert usage_of_output(output) is None


def span(name, parent=None, given=0, made=0, model=None):
    tokens = {"input_tokens": given, "output_tokens": made} if given or made else None
    return SpanUsage(name, parent, tokens, model, None, None)


def test_spans_of_one_trace_add_up():
    spans = [span("a", "root", 10, 2, "m"), span("b", "root", 5, 1, "n"), span("root")]
    assert usage_of_spans(spans) == (ModelUsage("m", None, 10, 2), ModelUsage("n", None, 5, 1))


def test_span_within_one_that_has_tokens_counts_for_nothing():
    spans = [span("call", "step", 10, 2, "m"), span("step", "agent"), span("agent", None, 10, 2, "m")]
    assert usage_of_spans(spans) == (ModelUsage("m", None, 10, 2),)


def test_sum_on_an_agent_without_model_yields_to_its_calls():
    spans = [span("one", "agent", 10, 2, "m"), span("two", "agent", 5, 1, "n"), span("agent", None, 15, 3)]
    assert usage_of_spans(spans) == (ModelUsage("m", None, 10, 2), ModelUsage("n", None, 5, 1))


def test_sum_that_tells_of_more_than_its_calls_counts():
    spans = [span("one", "agent", 10, 2, "m"), span("agent", None, 99, 9)]
    assert usage_of_spans(spans) == (ModelUsage(None, None, 99, 9),)


def test_spans_without_tokens_tell_nothing():
    assert usage_of_spans([span("root")]) is None
    assert usage_of_spans([]) is None


def test_given_usage_is_a_mapping_or_several():
    one = {"input_tokens": 3, "output_tokens": 4, "model": "m"}
    assert given_usage(one) == (ModelUsage("m", None, 3, 4),)
    assert given_usage([one, one]) == (ModelUsage("m", None, 3, 4),) * 2
    assert given_usage(None) is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (7, "usage= returned 7, a int"),
        ({"input_tokens": 3}, "whose 'output_tokens' is no number of tokens"),
        ({"input_tokens": float("nan"), "output_tokens": 1}, "whose 'input_tokens' is no number of tokens"),
        ([3], "a list with 3 in it"),
    ],
    ids=["number", "missing", "nan", "list"],
)
def test_given_usage_of_another_form_is_refused(value, message):
    with pytest.raises((TypeError, ValueError), match=message):
        given_usage(value)


def test_usage_survives_json():
    usage = CellUsage((ModelUsage("m", None, 1, 2),), judges=(ModelUsage("j", "p", 3, 4, usd=0.5),), error="KeyError")
    assert CellUsage.of(json.loads(json.dumps(usage))) == usage
    assert CellUsage.of(None) is None

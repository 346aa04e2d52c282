"""What traces are found by: the case and what varies in it, configs of nested experiments, the context's attributes."""

import json

import mlflow
import pytest

import spearmint
from spearmint import Config, RuntimeContext, Spearmint, experiment
from spearmint.secret_forms import MASK
from spearmint.strategies import ShadowStrategy

SECRET = "k-4f9a77b1c2"


def id_of(**config):
    return Config(config).config_id


@experiment(configs=[{"k": 3}, {"k": 5}], strategy=ShadowStrategy)
def rank(x, config: Config):
    return x * config.k


@experiment(configs=[{"size": 9}])
def split(x, config: Config):
    return x + config.size


@experiment(configs=[{"model": "small"}, {"model": "large"}], strategy=ShadowStrategy)
def answer(x, config: Config):
    return rank(split(x))


def marks(trace):
    return {name.removeprefix("spearmint."): text for name, text in trace.info.tags.items() if "spearmint." in name}


@pytest.fixture(params=["deferred", "live"])
def mode(request, traced):
    spearmint.configure(tracing={"mode": request.param})


def test_tags_tell_nested_variants_apart(traces, mode) -> None:
    with Spearmint.run(answer, await_variants=True) as runner:
        results = runner(1)
    found = {trace.info.trace_id: trace for trace in traces()}
    assert len(found) == len(results) == 4
    assert len({one.case_id for one in results}) == 4
    for one in results:
        trace = found[one.trace_id]
        tags = marks(trace)
        assert tags["case_id"] == one.case_id
        assert tags["config_id"] == one.config_id
        assert tags["experiment"] == f"{__name__}:answer"
        ids = one.experiment_case.config_ids
        nested = {name: ids[f"{__name__}:{name}"] for name in ("rank", "split")}
        assert {name: tags[f"config.{__name__}:{name}"] for name in nested} == nested
        assert f"config.{__name__}:answer" not in tags
        assert tags["config_ids"].split("+") == list(ids.values())
        assert json.loads(tags["parameters"]) == one.experiment_case.varying_parameters
        for name, text in tags.items():
            if name != "equal":
                assert trace.info.trace_metadata[f"spearmint.{name}"] == text


def test_search_finds_the_config_of_a_nested_experiment(traces) -> None:
    with Spearmint.run(answer, await_variants=True) as runner:
        runner(1)
    found = traces(f"tags.`spearmint.config.{__name__}:rank` = '{id_of(k=5)}'")
    assert sorted(json.loads(marks(trace)["parameters"])["model"] for trace in found) == ["large", "small"]
    assert {json.loads(marks(trace)["parameters"])["rank: k"] for trace in found} == {5}


def test_lone_config_has_no_parameters_that_vary(traces) -> None:
    assert split(1) == 10
    (trace,) = traces()
    tags = marks(trace)
    assert "parameters" not in tags
    assert tags["case_id"] == tags["config_ids"] == tags["config_id"] == id_of(size=9)


def test_experiment_that_joins_unseen_is_in_the_tags(traces, mode) -> None:
    @experiment(configs=[{"a": 1}, {"a": 2}])
    def outer(config):
        return {"f": rank}["f"](2)

    assert outer() == 6
    (trace,) = traces()
    assert marks(trace)[f"config.{__name__}:rank"] == id_of(k=3)
    assert marks(trace)["case_id"] == f"{id_of(a=1)}+{id_of(k=3)}"
    assert json.loads(marks(trace)["parameters"]) == {"a": 1, "rank: k": 3}


@pytest.mark.slow
def test_trace_within_a_span_of_the_users_has_all_tags(traces) -> None:
    with RuntimeContext(attributes={"user_id": "ann"}), mlflow.start_span("request"):
        rank(1)
    mlflow.flush_trace_async_logging()
    (trace,) = traces("tags.`spearmint.role` = 'main'")
    tags = marks(trace)
    assert (tags["case_id"], tags["attribute.user_id"], tags["status"]) == (id_of(k=3), "ann", "success")
    assert json.loads(tags["parameters"]) == {"k": 3}


@pytest.mark.slow
def test_attributes_are_tags_as_they_were_at_the_call(traces) -> None:
    groups = ["a"]
    with RuntimeContext(attributes={"user_id": "ann", "groups": groups, "age": 7, "beta": True}):
        rank(1)
    groups.append("b")
    found = traces("tags.`spearmint.attribute.user_id` = 'ann'")
    assert sorted(marks(trace)["role"] for trace in found) == ["main", "variant"]
    (tags,) = (marks(trace) for trace in found if marks(trace)["role"] == "main")
    assert {name: text for name, text in tags.items() if name.startswith("attribute.")} == {
        "attribute.user_id": "ann",
        "attribute.groups": '["a"]',
        "attribute.age": "7",
        "attribute.beta": "true",
    }


def test_attributes_and_parameters_show_no_secret(traces, mode) -> None:
    configs = [{"llm": {"api_key": SECRET}, "db": f"postgresql://ann:{SECRET}@db/shop-{n}"} for n in (1, 2)]
    configs[1]["llm"]["api_key"] += "2"

    @experiment(configs=configs)
    def call(note, config: Config):
        return 0

    with RuntimeContext(attributes={"token": "tok-778899", "note": f"by {SECRET}", "url": "http://a:pw-5566@x/"}):
        call("with tok-778899")
    (trace,) = traces()
    text = trace.to_json() + str(trace.info.tags) + str(trace.info.trace_metadata)
    assert [secret for secret in (SECRET, "tok-778899", "pw-5566") if secret in text] == []
    tags = marks(trace)
    assert (tags["attribute.token"], tags["attribute.note"]) == (MASK, f"by {MASK}")
    assert tags["attribute.url"] == f"http://a:{MASK}@x/"
    assert json.loads(tags["parameters"]) == {"llm.api_key": MASK, "db": f"postgresql://ann:{MASK}@db/shop-1"}


def test_tags_have_a_bounded_size(traces) -> None:
    configs = [{"long": one * 1000, **{f"key{n}": one * 180 for n in range(45)}} for one in "ab"]

    @experiment(configs=configs)
    def call(config):
        return 0

    with RuntimeContext(attributes={"n" * 300: 1, "n" * 301: 2, "long": "x" * 9000}):
        call()
    (trace,) = traces()
    tags = marks(trace)
    assert max(map(len, trace.info.tags)) == 250
    assert sorted(text for name, text in tags.items() if name.startswith("attribute.n")) == ["1", "2"]
    assert max(map(len, tags.values())) == 4096
    parameters = json.loads(tags["parameters"])
    left = parameters.pop("…")
    assert parameters["long"] == "a" * 200 + "…"
    assert 10 < len(parameters) < 46
    assert left == f"{46 - len(parameters)} more"

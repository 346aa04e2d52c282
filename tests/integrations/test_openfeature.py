"""OpenFeature both ways: its conformance scenarios on evaluation through our provider, and its providers' choices."""

import asyncio

import pytest

pytest.importorskip("openfeature")

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider
from openfeature.track import TrackingEventDetails

import spearmint
from spearmint import RuntimeContext, experiment
from spearmint.config import parse_configs
from spearmint.errors import SpearmintWarning
from spearmint.integrations.openfeature import OpenFeatureStrategy, SpearmintProvider
from spearmint.online.state_file import StateFile
from spearmint.proxy.proxy import experiment_of
from spearmint.registry.changes import publish
from spearmint.strategies import SplitStrategy
from spearmint.strategies.by_name import check_strategy, strategy_by_name
from spearmint.warn import said

FLAGS = {
    "__config_id__": "on",
    "boolean": True,
    "string": "hi",
    "integer": 10,
    "float": 0.5,
    "object": {"showImages": True, "title": "Check out these pics!", "imagesPerPage": 100},
    "wrong": "uh-oh",
}
ZERO = {"__config_id__": "zero", "boolean": False, "string": "", "integer": 0, "float": 0.0, "object": {}, "wrong": ""}
EXTERNAL = {"__config_id__": "external", "greeting": "EXTERNAL"}
INTERNAL = {"__config_id__": "internal", "greeting": "INTERNAL"}


@experiment(configs=[FLAGS])
def flags(config):
    return config


@experiment(configs=[ZERO])
def zero_flags(config):
    return config


@experiment(
    configs=[EXTERNAL, INTERNAL],
    strategy=SplitStrategy(weights=[0, 1], only_if={"customer": False, "email": {"regex": "@faas.com$"}}, salt="s"),
)
def greeting(config):
    return config


@experiment(
    configs=[ZERO, FLAGS, {"__config_id__": "targeted", **dict(list(ZERO.items())[1:])}],
    strategy=SplitStrategy(weights=[0, 0, 1], only_if={"email": "ballmer@macrosoft.com"}),
)
def targeted_flags(config):
    return config


NAME = f"{__name__}:flags"
TARGETED_NAME = f"{__name__}:targeted_flags"
ZERO_NAME = f"{__name__}:zero_flags"
GREETING = f"{__name__}:greeting#greeting"


@pytest.fixture
def client():
    domain = "spearmint-tests"
    api.set_provider(SpearmintProvider(), domain)
    yield api.get_client(domain)
    api.clear_providers()


# The scenarios of the specification's `evaluation.feature` and `evaluation_v2.feature`, in other words. Those on hooks
# and on the status of a provider are about the client; no answer of ours is cached; what is off has its first config.
ROWS = [
    ("boolean", False, True),
    ("string", "bye", "hi"),
    ("integer", 1, 10),
    ("float", 0.1, 0.5),
    ("object", {}, FLAGS["object"]),
]


@pytest.mark.parametrize(("kind", "default", "value"), ROWS)
def test_basic_evaluation_gives_the_value(client, kind, default, value):
    assert getattr(client, f"get_{kind}_value")(f"{NAME}#{kind}", default) == value


@pytest.mark.parametrize(("kind", "default", "value"), ROWS)
def test_detailed_evaluation_gives_variant_and_reason(client, kind, default, value):
    details = getattr(client, f"get_{kind}_details")(f"{NAME}#{kind}", default)
    assert (details.value, details.variant, details.reason) == (value, "on", Reason.STATIC)
    assert (details.error_code, details.flag_key) == (None, f"{NAME}#{kind}")


@pytest.mark.parametrize(("kind", "default", "value"), ROWS)
def test_async_evaluation_gives_the_same(client, kind, default, value):
    get = getattr(client, f"get_{kind}_value_async")
    assert asyncio.run(get(f"{NAME}#{kind}", default)) == value


@pytest.mark.parametrize(("kind", "default", "_"), ROWS)
def test_zero_values_are_values(client, kind, default, _):
    details = getattr(client, f"get_{kind}_details")(f"{ZERO_NAME}#{kind}", default)
    assert (details.value, details.error_code) == (ZERO[kind], None)
    assert (details.reason, details.variant) == (Reason.STATIC, "zero")


@pytest.mark.parametrize(
    ("customer", "email", "value"),
    [(False, "ballmer@faas.com", "INTERNAL"), (True, "ballmer@faas.com", "EXTERNAL"), (False, "a@b.org", "EXTERNAL")],
)
def test_context_aware_evaluation_targets(client, customer, email, value):
    context = EvaluationContext("unit", {"customer": customer, "email": email, "age": 29})
    details = client.get_string_details(GREETING, "", context)
    assert (details.value, details.variant) == (value, value.lower())
    assert details.reason == (Reason.TARGETING_MATCH if value == "INTERNAL" else Reason.DEFAULT)
    assert len(details.flag_metadata["feature_flag.version"]) == 16


@pytest.mark.parametrize("key", ["missing-flag", f"{NAME}#nothing", f"{__name__}:nothing#boolean"])
def test_missing_flag_gives_the_default_and_the_code(client, key):
    details = client.get_string_details(key, "uh-oh")
    assert (details.value, details.reason, details.error_code) == ("uh-oh", Reason.ERROR, ErrorCode.FLAG_NOT_FOUND)


def test_wrong_type_gives_the_default_and_the_code(client):
    details = client.get_integer_details(f"{NAME}#wrong", 13)
    assert (details.value, details.reason, details.error_code) == (13, Reason.ERROR, ErrorCode.TYPE_MISMATCH)
    assert client.get_integer_details(f"{NAME}#boolean", 13).error_code == ErrorCode.TYPE_MISMATCH
    assert client.get_float_details(f"{NAME}#integer", 1.5).value == 10.0


@pytest.mark.parametrize(("kind", "default", "_"), ROWS)
@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"email": "ballmer@macrosoft.com"}, (Reason.TARGETING_MATCH, "targeted")),
        ({"email": "ballmer@macrosoft.com", "role": "admin", "age": 65}, (Reason.TARGETING_MATCH, "targeted")),
        ({"email": "ballmer@none.com"}, (Reason.DEFAULT, "zero")),
        ({"email": None}, (Reason.DEFAULT, "zero")),
        ({}, (Reason.DEFAULT, "zero")),
    ],
)
def test_targeting_alone_is_a_match_or_the_default(client, kind, default, _, attributes, told):
    get = getattr(client, f"get_{kind}_details")
    details = get(f"{TARGETED_NAME}#{kind}", default, EvaluationContext("unit", attributes))
    assert (details.value, (details.reason, details.variant)) == (ZERO[kind], told)


@pytest.mark.parametrize("option", [{"traffic": 0.9999}, {"holdout": 0.0001}, {"layer": "all[0:1]"}])
def test_targeting_is_no_match_where_a_bucket_has_a_say(client, option):
    @experiment(configs=[ZERO, FLAGS], strategy=SplitStrategy(weights=[0, 1], only_if={"plan": "pro"}, **option))
    def partly(config):
        return config

    name = f"{__name__}:{partly.__qualname__}#string"
    details = client.get_string_details(name, "", EvaluationContext("unit", {"plan": "pro"}))
    assert (details.value, details.reason) == ("hi", Reason.SPLIT)


@pytest.mark.parametrize(("kind", "default", "_"), ROWS)
def test_missing_flag_of_each_type_gives_the_default(client, kind, default, _):
    details = getattr(client, f"get_{kind}_details")("non-existent-flag", default)
    assert (details.value, details.reason, details.error_code) == (default, Reason.ERROR, ErrorCode.FLAG_NOT_FOUND)


@pytest.mark.parametrize(
    ("path", "kind", "default"),
    [
        ("string", "boolean", False),
        ("boolean", "string", "bye"),
        ("boolean", "integer", 1),
        ("boolean", "float", 0.1),
        ("boolean", "object", {"a": 1}),
    ],
)
def test_mismatch_of_each_type_gives_the_default(client, path, kind, default):
    details = getattr(client, f"get_{kind}_details")(f"{NAME}#{path}", default)
    assert (details.value, details.reason, details.error_code) == (default, Reason.ERROR, ErrorCode.TYPE_MISMATCH)


@pytest.mark.parametrize(("kind", "default", "_"), ROWS)
def test_disabled_flag_of_each_type_gives_the_first_config(client, kind, default, _):
    spearmint.disable(TARGETED_NAME)
    try:
        context = EvaluationContext("unit", {"email": "ballmer@macrosoft.com"})
        details = getattr(client, f"get_{kind}_details")(f"{TARGETED_NAME}#{kind}", default, context)
    finally:
        spearmint.enable(TARGETED_NAME)
    assert (details.value, details.reason) == (ZERO[kind], Reason.DISABLED)


def test_split_without_a_targeting_key_is_an_error(client):
    details = client.get_string_details(GREETING, "none", EvaluationContext(attributes={"customer": False}))
    assert (details.value, details.error_code) == ("none", ErrorCode.TARGETING_KEY_MISSING)


def test_flag_without_a_path_is_the_whole_config(client):
    assert client.get_object_value(NAME, {}) == {name: FLAGS[name] for name in FLAGS if name != "__config_id__"}


def test_resolved_object_is_a_copy(client):
    client.get_object_value(NAME, {})["object"]["title"] = "changed"
    assert client.get_object_value(NAME, {})["object"]["title"] == "Check out these pics!"


def test_switched_off_flag_is_disabled(client):
    spearmint.disable(GREETING.partition("#")[0])
    try:
        details = client.get_string_details(GREETING, "")
        assert (details.value, details.reason) == ("EXTERNAL", Reason.DISABLED)
    finally:
        spearmint.enable(GREETING.partition("#")[0])


def test_resolving_exposes_nobody_and_track_records(client):
    told = []
    spearmint.configure(online={"sink": told.extend})
    context = EvaluationContext("ann", {"customer": False, "email": "ann@faas.com"})
    try:
        client.get_string_value(GREETING, "", context)
        client.track("purchase", context, TrackingEventDetails(9.5, {"currency": "EUR", "unit": "not this one"}))
        client.track("visit", context)
        assert spearmint.flush(60)
    finally:
        spearmint.configure(online={"sink": None})
    assert [(one["type"], one["name"], one["value"], one["feature_flag.context.id"]) for one in told] == [
        ("outcome", "purchase", 9.5, "ann"),
        ("outcome", "visit", 1.0, "ann"),
    ]


def test_published_change_is_told_as_an_event(client):
    changed = []
    client.add_handler(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, changed.append)
    found = experiment_of(zero_flags)[0]
    publish([(found, found.declare_anew(parse_configs([ZERO]), "single"))])
    assert [one.flags_changed for one in changed] == [[ZERO_NAME]]


CONFIGS = [{"__config_id__": "small", "n": 1}, {"__config_id__": "large", "n": 2}]


@pytest.fixture
def provider():
    """Set a provider of OpenFeature's own, which gives units that end with an even digit the large config."""

    def evaluate(flag, context):
        variant = "large" if context.targeting_key[-1] in "02468" else "small"
        return FlagResolutionDetails(flag.variants[variant], reason=Reason.TARGETING_MATCH, variant=variant)

    checkout = InMemoryFlag("small", {"small": "small", "large": "large"}, context_evaluator=evaluate)
    other = InMemoryFlag("a", {"a": "nothing"})
    api.set_provider(InMemoryProvider({"checkout": checkout, "other": other}), "chooses")
    yield
    api.clear_providers()


def test_in_memory_provider_drives_a_split(provider):
    @experiment(configs=CONFIGS, strategy=OpenFeatureStrategy("checkout", domain="chooses"))
    def page(config):
        return config.n

    told = []
    spearmint.configure(online={"sink": told.extend})
    try:
        for number in range(10):
            with RuntimeContext(attributes={"user_id": f"user-{number}", "tags": [1]}):
                assert [page(), page()] == [2 - number % 2] * 2
        assert spearmint.flush(60)
    finally:
        spearmint.configure(online={"sink": None})
    exposed = [one for one in told if one["type"] == "exposure"]
    assert len(exposed) == 10
    assert {one["feature_flag.result.reason"] for one in exposed} == {"targeting_match"}
    assert {one["feature_flag.context.id"]: one["feature_flag.result.variant"] for one in exposed}["user-4"] == "large"


def test_provider_is_not_asked_while_a_split_is_off(provider, tmp_path):
    @experiment(configs=CONFIGS, strategy=OpenFeatureStrategy("checkout", domain="chooses"))
    def page(config):
        return config.n

    StateFile(tmp_path).switch("*page", is_on=False, why="complaints")
    spearmint.configure(online={"journal": tmp_path})
    try:
        with RuntimeContext(attributes={"user_id": "user-4"}):
            assert page() == 1
    finally:
        spearmint.configure(online={"journal": None})
    with RuntimeContext(attributes={"user_id": "user-4"}):
        assert page() == 2


@pytest.mark.parametrize(("flag", "cause"), [("missing", "FLAG_NOT_FOUND"), ("other", "'nothing' is no config of it")])
def test_flag_that_chooses_no_config_gives_the_first(provider, flag, cause):
    said.clear()

    @experiment(configs=CONFIGS, strategy=OpenFeatureStrategy(flag, domain="chooses"))
    def page(config):
        return config.n

    with RuntimeContext(attributes={"user_id": "ann"}), pytest.warns(SpearmintWarning, match=cause):
        assert page() == 1


def test_settings_name_the_strategy_by_a_word():
    check_strategy("openfeature", {"flag": "checkout"})
    assert isinstance(strategy_by_name("openfeature", {"flag": "checkout"}), OpenFeatureStrategy)

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2_contingency, chisquare

from spearmint import RuntimeContext, Spearmint, experiment
from spearmint.assignment.hashing import bucket
from spearmint.config import parse_configs
from spearmint.errors import StrategyError
from spearmint.integrations.asgi import RuntimeContextMiddleware
from spearmint.registry import registry
from spearmint.strategies import SplitStrategy

VECTORS = Path(__file__).parent.parent / "assignment" / "vectors"
CONFIGS = [{"__config_id__": "small", "size": 1}, {"__config_id__": "large", "size": 2}]
USERS = [f"user-{number}" for number in range(2000)]
PRINT_ARMS = """
import sys
from spearmint import RuntimeContext, experiment
from spearmint.strategies import SplitStrategy

@experiment(configs=[{"size": 1}, {"size": 2}, {"size": 3}], strategy=SplitStrategy(traffic=0.7, salt="s"))
def page(config): return config.size

def size_of(unit):
    with RuntimeContext(attributes={"user_id": unit}):
        return page()

units = [f"user-{number}" for number in range(300)] + ["\\u00fcn\\u00efcode", "user-\\U0001f600"]
print(*map(size_of, units))
"""


def page_of(configs=CONFIGS, **options):
    @experiment(configs=configs, strategy=SplitStrategy(**options))
    def page(config):
        return config.size

    return page


def called(function, user, **attributes):
    with RuntimeContext(attributes={"user_id": user, **attributes}):
        return function()


def sizes(function, users=USERS):
    return {user: called(function, user) for user in users}


def split_of(function):
    return registry.get(f"{function.__module__}:{function.__qualname__}").split


# Whom it assigns, and to what


def test_unit_has_the_arm_that_holds_its_bucket():
    page = page_of(weights=[1, 3], salt="exp")
    for user, size in sizes(page, USERS[:500]).items():
        assert size == (1 if bucket(user, "exp.split") < 0.25 else 2)


def test_salt_is_the_name_of_the_experiment():
    page = page_of()
    name = f"{page.__module__}:{page.__qualname__}"
    assert sizes(page, USERS[:50]) == {user: 1 if bucket(user, f"{name}.split") < 0.5 else 2 for user in USERS[:50]}


def test_units_outside_the_traffic_get_the_first_config():
    page = page_of(traffic=0.2, weights=[0, 1], salt="exp")
    found = sizes(page)
    assert found == {user: 2 if bucket(user, "exp.traffic") < 0.2 else 1 for user in USERS}
    assert chisquare([Counter(found.values())[2], Counter(found.values())[1]], [400, 1600]).pvalue > 0.001


def test_more_traffic_moves_nobody_between_arms():
    before, after = sizes(page_of(traffic=0.2, salt="exp")), sizes(page_of(traffic=0.9, salt="exp"))
    took_part = [user for user in USERS if bucket(user, "exp.traffic") < 0.2]
    assert 300 < len(took_part) < 500
    assert all(before[user] == after[user] for user in took_part)
    assert sum(size == 2 for size in after.values()) > 2 * sum(size == 2 for size in before.values())


def test_holdout_gets_the_first_config():
    found = sizes(page_of(holdout=0.3, weights=[0, 1], salt="exp"))
    assert found == {user: 1 if bucket(user, "exp.holdout") < 0.3 else 2 for user in USERS}


def test_only_if_excludes_by_attributes():
    page = page_of(weights=[0, 1], only_if={"country": {"in": ["DE", "FR"]}, "age": {"gt": 17}})
    assert called(page, "ann", country="DE", age=18) == 2
    assert called(page, "ann", country="DE", age=17) == 1
    assert called(page, "ann", country="US", age=18) == 1
    assert called(page, "ann") == 1


def test_experiments_of_one_layer_share_no_unit():
    one = page_of(weights=[0, 1], layer="checkout[0:0.5]")
    other = page_of(weights=[0, 1], layer="checkout[0.5:1]")
    pairs = {(called(one, user), called(other, user)) for user in USERS[:300]}
    assert pairs == {(1, 2), (2, 1)}


def test_without_a_unit_the_first_config_answers():
    page = page_of(weights=[0, 1])
    assert page() == 1
    for unit in (None, "", True, [], 1.5, object()):
        assert called(page, unit) == 1


def test_int_and_uuid_are_the_units_of_their_text():
    page = page_of()
    number = uuid.UUID(int=7)
    assert called(page, 7) == called(page, "7")
    assert called(page, number) == called(page, str(number))


def test_unit_is_the_attribute_that_it_names():
    page = page_of(unit="session", weights=[0, 1])
    assert called(page, "ann") == 1
    assert called(page, "ann", session="s1") == 2


def test_weights_may_name_config_ids():
    assert set(sizes(page_of(weights={"large": 90}), USERS[:100]).values()) == {2}
    found = Counter(sizes(page_of(weights={"small": 90, "large": 10}, salt="w")).values())
    assert chisquare([found[1], found[2]], [1800, 200]).pvalue > 0.001


def test_three_arms_have_their_shares():
    configs = parse_configs([{"size": size} for size in (1, 2, 3)])
    found = Counter(sizes(page_of(configs, weights=[2, 3, 5], salt="three")).values())
    assert chisquare([found[1], found[2], found[3]], [400, 600, 1000]).pvalue > 0.001


# Two experiments, threads, processes


def test_two_experiments_are_not_confounded():
    @experiment(configs=CONFIGS, strategy="split")
    def one(config):
        return config.size

    @experiment(configs=CONFIGS, strategy="split")
    def other(config):
        return config.size

    table = np.zeros((2, 2))
    for user in USERS:
        table[called(one, user) - 1, called(other, user) - 1] += 1
    assert table.min() > 400
    assert chi2_contingency(table).pvalue > 0.001


def test_equal_salts_correlate_two_experiments_on_purpose():
    assert sizes(page_of(salt="same"), USERS[:200]) == sizes(page_of(salt="same"), USERS[:200])


@pytest.mark.slow
def test_arms_are_the_same_in_processes_of_any_hash_seed():
    printed = set()
    for seed in ("0", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", PRINT_ARMS]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=60)
        printed.add(done.stdout)
    assert len(printed) == 1
    assert set(printed.pop().split()) == {"1", "2", "3"}


def test_nested_split_is_sticky_below_any_caller():
    mint = Spearmint(configs=[{"__config_id__": "outer"}])
    inner = page_of(salt="inner")

    @mint.experiment
    def outer(config):
        return inner()

    assert sizes(outer, USERS[:100]) == sizes(inner, USERS[:100])
    assert set(sizes(outer, USERS[:100]).values()) == {1, 2}


def test_nested_split_that_no_analysis_sees_is_sticky_too():
    inner = page_of(salt="inner")
    held = {"inner": inner}

    @experiment(configs=[{"__config_id__": "outer"}])
    def outer(config):
        return held["inner"]()

    assert sizes(outer, USERS[:100]) == sizes(inner, USERS[:100])


def test_async_function_is_split_by_the_attributes_of_its_task():
    @experiment(configs=CONFIGS, strategy=SplitStrategy(salt="exp"))
    async def page(config):
        await asyncio.sleep(0)
        return config.size

    async def ask(user):
        with RuntimeContext(attributes={"user_id": user}):
            return await page()

    async def ask_all():
        return await asyncio.gather(*map(ask, USERS[:100]))

    assert asyncio.run(ask_all()) == [1 if bucket(user, "exp.split") < 0.5 else 2 for user in USERS[:100]]


def test_run_gives_the_arm_of_the_unit():
    page = page_of(weights=[0, 1])
    with RuntimeContext(attributes={"user_id": "ann"}), Spearmint.run(page) as runner:
        results = runner()
    assert (results.main_result.result, len(results.variant_results)) == (2, 0)


def test_middleware_gives_the_unit_of_each_request():
    page = page_of(salt="exp")
    answers = []

    async def app(scope, receive, send):
        answers.append(page())

    async def ask():
        middleware = RuntimeContextMiddleware(app, headers={"X-User-Id": "user_id"})
        for user in USERS[:50]:
            await middleware({"type": "http", "headers": [(b"x-user-id", user.encode())]}, None, None)

    asyncio.run(ask())
    assert answers == list(sizes(page, USERS[:50]).values())


# Shadow


def test_shadow_runs_the_other_arms_beside():
    page = page_of(shadow=1.0, salt="exp")
    for user in USERS[:20]:
        with RuntimeContext(attributes={"user_id": user}), Spearmint.run(page, await_variants=True) as runner:
            results = runner()
        mine = 1 if bucket(user, "exp.split") < 0.5 else 2
        assert [one.result for one in results] == [mine, 3 - mine]


def test_shadow_is_sampled_and_spares_excluded_calls():
    page = page_of(shadow=0.5, only_if={"plan": "pro"})
    split = split_of(page)
    counts = Counter(len(split.others(split.assign({"user_id": "ann", "plan": "pro"}))) for _ in range(2000))
    assert chisquare([counts[0], counts[1]]).pvalue > 1e-6
    assert not any(split.others(split.assign({"user_id": "ann"})) for _ in range(100))


# By name, and what is refused


def test_split_is_known_by_name_and_equal_by_default():
    @experiment(configs=CONFIGS, strategy="split")
    def page(config):
        return config.size

    found = Counter(sizes(page).values())
    assert chisquare([found[1], found[2]]).pvalue > 0.001


def test_one_strategy_serves_several_experiments():
    mint = Spearmint(configs=CONFIGS, strategy=SplitStrategy(weights={"small": 1, "large": 1}))

    @mint.experiment
    def one(config):
        return config.size

    @mint.experiment
    def other(config):
        return config.size

    assert sizes(one, USERS[:100]) != sizes(other, USERS[:100])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"weights": {"smal": 1}},
            r"Cannot split .*page by the weights .*: there is no config 'smal'.* Did you mean",
        ),
        ({"weights": [1]}, "there are 2 configs and 1 weights"),
        ({"weights": [1, 1, 1]}, "there are 2 configs and 3 weights"),
        ({"weights": [1, -1]}, "Cannot split: Cannot weigh an arm with -1"),
        ({"weights": {"small": 0, "large": 0}}, "their sum is 0"),
        ({"weights": 3}, "Cannot split by weights 3"),
        ({"traffic": 1.2}, "Cannot split by traffic 1.2: it is of no use there. Give a share from 0 to 1"),
        ({"traffic": True}, "Cannot split by traffic True"),
        ({"shadow": -0.1}, "Cannot split by shadow -0.1"),
        ({"holdout": "a"}, "Cannot split by holdout 'a'"),
        ({"unit": ""}, "Cannot split by unit ''"),
        ({"salt": 3}, "Cannot split by salt 3"),
        ({"algorithm": "blake2"}, "Cannot split: Cannot hash by 'blake2'.* Did you mean 'blake2b'"),
        ({"only_if": {"age": {"gte": 1}}}, "Cannot split: Cannot target by age"),
        ({"layer": "checkout"}, "Cannot split: Cannot use the layer 'checkout'"),
    ],
    ids=str,
)
def test_options_that_cannot_be_are_refused_when_declared(options, problem):
    with pytest.raises(StrategyError, match=problem):
        page_of(**options)


def test_split_outside_an_experiment_needs_a_salt():
    configs = parse_configs(CONFIGS)
    with pytest.raises(StrategyError, match="its name is the salt"):
        SplitStrategy()(configs, {"user_id": "ann"})
    main, variants = SplitStrategy(salt="exp", weights=[0, 1])(configs, {"user_id": "ann"})
    assert (main, list(variants)) == (configs[1], [])


def test_experiment_without_configs_is_never_split():
    @experiment(strategy=SplitStrategy(weights={"small": 1}))
    def plain(limit=3):
        return limit

    assert plain() == 3


# As others assign


def test_growthbook_units_keep_their_arms():
    page = page_of(algorithm="growthbook", salt="seed", weights=[0.2, 0.8])
    vectors = json.loads((VECTORS / "growthbook_hashing.json").read_text(encoding="utf-8"))["hash"]
    for salt, unit, version, number in vectors:
        if version == 2 and salt == "seed":
            assert called(page, unit) == (1 if number < 0.2 else 2)
    page = page_of(algorithm="growthbook1", salt="b", weights=[0.946, 0.054])
    assert called(page, "a") == 2  # 0.946 itself


def test_launchdarkly_units_keep_their_arms():
    page = page_of(algorithm="launchdarkly", salt="hashKey.saltyA", weights=[42_000, 58_000])
    assert [called(page, unit) for unit in ("userKeyA", "userKeyB", "userKeyC")] == [2, 2, 1]


# What a version is, and why a unit has its arm


def test_version_changes_with_what_assignments_depend_on():
    def version(configs=CONFIGS, **options):
        return SplitStrategy(**{"salt": "exp", **options}).for_experiment("m:f", parse_configs(configs)).version

    same = version()
    assert version(traffic=0.1, holdout=0.1, shadow=0.1, layer="x[0:0.5]") == same
    assert version(weights=[50, 50]) == same
    others = [
        version(weights=[2, 1]),
        version(salt="other"),
        version(algorithm="eppo"),
        version(unit="session"),
        version(only_if={"plan": "pro"}),
        version([CONFIGS[0], {**CONFIGS[1], "size": 3}]),
        version([CONFIGS[0], {**CONFIGS[1], "__config_id__": "huge"}]),
    ]
    assert len({same, *others}) == len(others) + 1


def test_explanation_tells_each_step():
    page = page_of(only_if={"plan": "pro"}, traffic=0.5, holdout=0.1, salt="exp")
    split = split_of(page)

    def told(**attributes):
        return [(step.text, step.goes_on) for step in split.explain(attributes)]

    assert told() == [("unit: the attribute 'user_id' names none", False)]
    assert told(user_id="ann")[-1] == ("only_if: plan is not given, and is to be eq 'pro'", False)
    outside = next(user for user in USERS if bucket(user, "exp.traffic") >= 0.5 and bucket(user, "exp.holdout") >= 0.1)
    text, goes_on = told(user_id=outside, plan="pro")[-1]
    assert (text.startswith("traffic 0.5: its bucket is 0."), goes_on) == (True, False)
    inside = next(user for user in USERS if bucket(user, "exp.traffic") < 0.5 and bucket(user, "exp.holdout") >= 0.1)
    text, goes_on = told(user_id=inside, plan="pro")[-1]
    arm = "small" if bucket(inside, "exp.split") < 0.5 else "large"
    assert (text.startswith("arm: bucket by blake2b under 'exp.split' 0."), goes_on) == (True, True)
    assert text.endswith(f"of {arm}")

import asyncio
import contextvars
import threading

import pytest

from spearmint import RuntimeContext, Spearmint, experiment
from spearmint.context import attributes_var, experiment_case_var
from spearmint.errors import DeclarationError
from spearmint.strategies import MultiBranchStrategy, ShadowStrategy

CONFIGS = [{"model": "a"}, {"model": "b"}]


def cases():
    ask = Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment(lambda config: config["model"])
    with Spearmint.run(ask, await_variants=True) as runner:
        return [one.experiment_case for one in runner()]


def test_outside_there_is_no_case_and_no_attribute():
    assert experiment_case_var.get() is None
    assert dict(attributes_var.get()) == {}


def test_a_case_is_current_inside_and_no_longer_outside():
    main, variant = cases()
    with RuntimeContext(main) as context:
        assert isinstance(context, RuntimeContext)
        assert experiment_case_var.get() is main
        with RuntimeContext(variant):
            assert experiment_case_var.get() is variant
        assert experiment_case_var.get() is main
    assert experiment_case_var.get() is None


def test_attributes_join_those_around_and_the_inner_value_wins():
    with RuntimeContext(attributes={"user_id": "ann", "plan": "free"}):
        with RuntimeContext(attributes={"plan": "pro", "n": 1}):
            assert dict(attributes_var.get()) == {"user_id": "ann", "plan": "pro", "n": 1}
        assert dict(attributes_var.get()) == {"user_id": "ann", "plan": "free"}
    assert dict(attributes_var.get()) == {}


def test_case_and_attributes_leave_each_other_unchanged():
    main, _ = cases()
    with RuntimeContext(attributes={"n": 1}), RuntimeContext(main):
        assert (experiment_case_var.get(), dict(attributes_var.get())) == (main, {"n": 1})
        with RuntimeContext(attributes={"n": 2}):
            assert (experiment_case_var.get(), dict(attributes_var.get())) == (main, {"n": 2})


def test_both_can_be_given_at_once():
    main, _ = cases()
    with RuntimeContext(main, attributes={"n": 1}):
        assert (experiment_case_var.get(), dict(attributes_var.get())) == (main, {"n": 1})


def test_an_exception_leaves_nothing_behind_and_goes_on():
    main, _ = cases()
    with pytest.raises(KeyError, match="mine"), RuntimeContext(main, attributes={"n": 1}):
        raise KeyError("mine")
    assert experiment_case_var.get() is None
    assert dict(attributes_var.get()) == {}


def test_a_context_can_be_entered_again_and_inside_itself():
    context = RuntimeContext(attributes={"n": 1})
    for _ in range(2):
        with context, context:
            assert attributes_var.get()["n"] == 1
        assert dict(attributes_var.get()) == {}


def test_attributes_are_as_they_were_given():
    given = {"n": 1}
    context = RuntimeContext(attributes=given)
    given["n"] = 2
    with context:
        assert attributes_var.get()["n"] == 1
        with pytest.raises(TypeError, match="does not support item assignment"):
            attributes_var.get()["n"] = 3


def test_another_thread_has_a_context_of_its_own():
    seen = []
    with RuntimeContext(cases()[0], attributes={"n": 1}):
        thread = threading.Thread(
            target=contextvars.Context().run,
            args=(lambda: seen.append((experiment_case_var.get(), dict(attributes_var.get()))),),
        )
        thread.start()
        thread.join(10)
    assert seen == [(None, {})]


def test_variants_see_the_attributes_around_the_call():
    mint = Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy)

    @mint.experiment
    def ask(config):
        return attributes_var.get()["user_id"]

    with RuntimeContext(attributes={"user_id": "ann"}):
        results = ask()
    assert [one.result for one in results] == ["ann", "ann"]


def test_a_call_leaves_the_case_as_it_was_also_when_it_raises():
    @experiment(configs=CONFIGS)
    def ask(config):
        raise KeyError("mine")

    with pytest.raises(KeyError):
        ask()
    assert experiment_case_var.get() is None


@pytest.mark.parametrize("case", [{"user_id": "ann"}, "case", 3], ids=repr)
def test_what_is_no_case_is_refused(case):
    with pytest.raises(DeclarationError) as caught:
        RuntimeContext(case)
    assert str(caught.value) == (
        f"Cannot make {case!r} current: it is no ExperimentCase. "
        "Take one from results, or give attributes by keyword: RuntimeContext(attributes={...})."
    )


def test_attributes_that_are_no_mapping_are_refused():
    with pytest.raises(DeclarationError, match=r"Cannot use \['ann'\] as attributes: it is no mapping. Give a dict"):
        RuntimeContext(attributes=["ann"])


def test_one_context_may_be_entered_by_many_tasks_at_once():
    ann = RuntimeContext(attributes={"user_id": "ann"})

    async def visit(turns):
        with ann:
            for _ in range(turns):
                await asyncio.sleep(0)
            inside = dict(attributes_var.get())
        return inside, dict(attributes_var.get())

    async def visits():
        return await asyncio.gather(*(visit(turns) for turns in (1, 3, 2, 5, 4)))

    assert asyncio.run(visits()) == [({"user_id": "ann"}, {})] * 5


def test_one_context_may_be_entered_by_threads_at_once():
    ann, inside = RuntimeContext(attributes={"user_id": "ann"}), threading.Barrier(2)
    leaves_first = threading.Event()
    left = []

    def visit(waits):
        with ann:
            inside.wait(30)
            if waits:
                assert leaves_first.wait(30)
        left.append(dict(attributes_var.get()))
        leaves_first.set()

    # The one that entered first leaves first, and the other way round.
    threads = [threading.Thread(target=visit, args=(waits,)) for waits in (False, True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert left == [{}, {}]


def test_exits_out_of_order_take_no_entry_of_another_thread():
    ann, plan = RuntimeContext(attributes={"user_id": "ann"}), RuntimeContext(attributes={"plan": "pro"})
    entered, has_left, left = threading.Event(), threading.Event(), []

    def visit():
        with ann:
            entered.set()
            assert has_left.wait(30)
        left.append(dict(attributes_var.get()))

    ann.__enter__()
    plan.__enter__()
    visitor = threading.Thread(target=visit)
    visitor.start()
    assert entered.wait(30)
    ann.__exit__(None, None, None)
    plan.__exit__(None, None, None)
    has_left.set()
    visitor.join(30)

    assert left == [{}]


def test_exits_out_of_order_leave_nothing_current():
    main, variant = cases()
    ann, plan = RuntimeContext(main, attributes={"user_id": "ann"}), RuntimeContext(variant, attributes={"plan": "pro"})
    ann.__enter__()
    plan.__enter__()
    ann.__exit__(None, None, None)
    assert (experiment_case_var.get(), dict(attributes_var.get())) == (variant, {"plan": "pro"})
    plan.__exit__(None, None, None)
    assert (experiment_case_var.get(), dict(attributes_var.get())) == (None, {})


def test_generators_that_take_turns_leave_nothing_current():
    def visit(user_id):
        with RuntimeContext(attributes={"user_id": user_id}):
            yield

    first, second = visit("ann"), visit("bob")
    next(first)
    next(second)
    first.close()
    assert dict(attributes_var.get()) == {"user_id": "bob"}
    second.close()
    assert dict(attributes_var.get()) == {}


def test_inner_exit_out_of_order_keeps_the_case_set_since():
    main, variant = cases()
    outer, inner = RuntimeContext(main), RuntimeContext(attributes={"n": 1})
    outer.__enter__()
    inner.__enter__()
    token = experiment_case_var.set(variant)
    outer.__exit__(None, None, None)
    assert (experiment_case_var.get(), dict(attributes_var.get())) == (variant, {"n": 1})
    experiment_case_var.reset(token)
    inner.__exit__(None, None, None)
    experiment_case_var.set(None)
    assert dict(attributes_var.get()) == {}


def test_exit_in_a_copied_context_leaves_the_original_inside():
    ann = RuntimeContext(attributes={"user_id": "ann"})

    def leave():
        ann.__exit__(None, None, None)
        return dict(attributes_var.get())

    with ann:
        assert contextvars.copy_context().run(leave) == {}
        assert dict(attributes_var.get()) == {"user_id": "ann"}
        assert contextvars.Context().run(leave) == {}
    assert dict(attributes_var.get()) == {}

"""An experiment is, to everything that looks at it, the function."""

import asyncio
import contextlib
import functools
import inspect
import sys
import types
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any, get_type_hints
from unittest import mock

import pytest

from spearmint import Bind, Config, Spearmint, experiment
from spearmint.errors import BindingError, DeclarationError

mint = Spearmint(configs=[{"limit": 3}])


def plain(text: str, limit: Annotated[int, Bind("limit")], *, sep: str = " ") -> str:
    """Repeat a text."""
    return sep.join([text] * limit)


async def coroutine(config: Config) -> int:
    return config.limit


def generator(config: Config) -> Iterator[int]:
    yield config.limit


async def async_generator(config: Config) -> AsyncIterator[int]:
    yield config.limit


KINDS: list[Callable[..., Any]] = [plain, coroutine, generator, async_generator]
TESTS: list[Callable[[Any], bool]] = [
    callable,
    inspect.isfunction,
    inspect.isroutine,
    inspect.isbuiltin,
    inspect.ismethod,
    inspect.ismethoddescriptor,
    inspect.isdatadescriptor,
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
]
if sys.version_info < (3, 14):  # Deprecated since.
    TESTS.append(asyncio.iscoroutinefunction)


@pytest.mark.parametrize("function", KINDS, ids=lambda function: function.__name__)
@pytest.mark.parametrize("is_kind", TESTS, ids=lambda test: f"{test.__module__}.{test.__name__}")
def test_it_is_of_the_same_kind(is_kind, function) -> None:
    assert is_kind(mint.experiment(function)) is is_kind(function)


@pytest.mark.parametrize("function", KINDS, ids=lambda function: function.__name__)
def test_it_is_an_instance_of_function(function) -> None:
    wrapped = mint.experiment(function)
    assert isinstance(wrapped, types.FunctionType)
    assert wrapped.__class__ is types.FunctionType


@pytest.mark.parametrize("function", KINDS, ids=lambda function: function.__name__)
def test_its_signature_and_type_hints_are_its_own(function) -> None:
    wrapped = mint.experiment(function)
    assert inspect.signature(wrapped) == inspect.signature(function)
    assert get_type_hints(wrapped, include_extras=True) == get_type_hints(function, include_extras=True)


@pytest.mark.parametrize(
    "name",
    [
        "__annotations__",
        "__closure__",
        "__code__",
        "__defaults__",
        "__dict__",
        "__doc__",
        "__globals__",
        "__kwdefaults__",
        "__module__",
        "__name__",
        "__qualname__",
    ],
)
def test_its_attributes_are_those_of_the_function(name) -> None:
    assert getattr(mint.experiment(plain), name) == getattr(plain, name)


def test_annotations_of_the_proxy_class_are_not_a_functions() -> None:
    wrapped = mint.experiment(plain)
    unbound = mint.experiment(types.MethodType(plain, "a"))
    for kind in (type(wrapped), type(unbound)):
        assert inspect.get_annotations(kind) == {}
        getattr(kind, "__annotations__", None)
    assert wrapped.__annotations__ == unbound.__annotations__ == plain.__annotations__ != {}


def test_dir_lists_what_the_function_has() -> None:
    assert set(dir(plain)) <= set(dir(mint.experiment(plain)))


def test_it_equals_the_function_and_hashes_alike() -> None:
    wrapped = mint.experiment(plain)
    assert wrapped == plain
    assert plain == wrapped
    assert hash(wrapped) == hash(plain)
    assert {plain: "found"}[wrapped] == "found"
    assert wrapped != generator


def test_an_attribute_set_on_it_is_the_functions_too() -> None:
    def function(config):
        return config.limit

    wrapped = mint.experiment(function)
    wrapped.label = "mine"
    wrapped.__name__ = "renamed"
    assert (function.label, function.__name__) == ("mine", "renamed")
    del wrapped.label
    assert not hasattr(function, "label")
    with pytest.raises(AttributeError, match="'function' object has no attribute 'label'"):
        wrapped.label


def test_defaults_set_on_it_hold_for_the_next_call() -> None:
    @mint.experiment
    def function(text="a"):
        return text

    function.__defaults__ = ("b",)
    assert function() == "b"


def test_a_weak_reference_to_it_dies_with_it() -> None:
    def function():
        return 1

    wrapped = mint.experiment(function)
    reference = weakref.ref(wrapped)
    assert reference() is wrapped
    del wrapped
    assert reference() is None


def test_functools_wraps_copies_what_the_function_has() -> None:
    wrapped = mint.experiment(plain)

    @functools.wraps(wrapped)
    def outer(*args, **kwargs):
        return wrapped(*args, **kwargs).upper()

    assert (outer.__name__, outer.__doc__) == ("plain", "Repeat a text.")
    assert inspect.signature(outer) == inspect.signature(plain)
    assert outer("a", sep="-") == "A-A-A"


def test_a_partial_of_it_is_filled_from_the_config() -> None:
    joined = functools.partial(mint.experiment(plain), sep="")
    assert joined("a") == "aaa"
    assert list(inspect.signature(joined).parameters) == ["text", "limit", "sep"]


def test_lru_cache_around_it_keeps_its_results() -> None:
    calls = []

    @functools.lru_cache
    @mint.experiment
    def function(text, config):
        calls.append(text)
        return text * config.limit

    assert [function("a"), function("a")] == ["aaa", "aaa"]
    assert calls == ["a"]


def test_singledispatch_around_it_dispatches_to_experiments() -> None:
    @functools.singledispatch
    @mint.experiment
    def describe(value, config):
        return f"object {config.limit}"

    @describe.register
    @mint.experiment
    def _(value: int, config: Config):
        return f"int {config.limit}"

    assert [describe("a"), describe(1)] == ["object 3", "int 3"]


def test_decorated_singledispatch_keeps_its_register() -> None:
    @mint.experiment
    @functools.singledispatch
    def describe(value, config):
        return f"object {config.limit}"

    @describe.register
    def _(value: int, config: Config):
        return f"int {config.limit}"

    assert [describe("a"), describe(1)] == ["object 3", "int 3"]


def test_lru_cache_below_it_is_called_with_the_bound_value() -> None:
    @mint.experiment
    @functools.lru_cache
    def function(limit: Annotated[int, Bind("limit")]):
        return limit

    assert function() == 3
    assert function.cache_info().misses == 1


def test_autospec_holds_calls_to_the_functions_signature() -> None:
    double = mock.create_autospec(mint.experiment(plain), return_value="double")
    assert double("a", 1) == "double"
    double.assert_called_once_with("a", 1)
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'unknown'"):
        double("a", 1, unknown=2)


def test_autospec_of_an_async_one_is_awaited() -> None:
    double = mock.create_autospec(mint.experiment(coroutine), return_value=7)
    assert asyncio.run(double(Config())) == 7
    double.assert_awaited_once()


def test_patching_the_name_of_one_replaces_and_restores_it(monkeypatch) -> None:
    holder = types.SimpleNamespace(run=mint.experiment(plain))
    kept = holder.run
    with mock.patch.object(holder, "run", autospec=True) as double:
        holder.run("a", 1)
    double.assert_called_once_with("a", 1)
    assert holder.run is kept


def test_decorating_again_wraps_the_function_itself() -> None:
    first = mint.experiment(coroutine)
    second = experiment(configs=[{"limit": 5}])(first)
    assert second.__wrapped__ is coroutine
    assert asyncio.run(second()) == 5
    assert asyncio.run(first()) == 3


def test_a_decorator_below_is_part_of_what_is_run() -> None:
    def doubled(function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            return 2 * function(*args, **kwargs)

        return call

    @mint.experiment
    @doubled
    def below(config):
        return config.limit

    @doubled
    @mint.experiment
    def above(config):
        return config.limit

    assert (below(), above()) == (6, 6)


def test_nested_function_is_a_new_experiment_each_time() -> None:
    def make(base):
        @mint.experiment
        def inner(config):
            return base + config.limit

        return inner

    assert [make(10)(), make(20)()] == [13, 23]


def test_a_lambda_is_filled_from_the_config() -> None:
    assert mint.experiment(lambda config: config.limit)() == 3


def test_a_recursive_function_calls_itself_under_its_config() -> None:
    @mint.experiment
    def depth(left, config):
        return config.limit if left == 0 else depth(left - 1)

    assert depth(300) == 3


def test_recursion_reaches_a_third_of_the_interpreters_limit() -> None:
    @mint.experiment
    def depth(left, config):
        return config.limit if left == 0 else depth(left - 1)

    with pytest.raises(RecursionError):
        depth(sys.getrecursionlimit())
    # A call takes the frames of the function and of the code around it; CPython 3.11 counts the call in between too.
    assert depth((sys.getrecursionlimit() - len(inspect.stack(0))) // 3 - 20) == 3


@pytest.mark.parametrize(
    ("function", "args", "result"),
    [(len, ([1, 2],), 2), (min, (3, 2), 2), (str.upper, ("a",), "A"), ({"a": 1}.get, ("a",), 1)],
    ids=lambda value: getattr(value, "__qualname__", None),
)
def test_a_function_written_in_c_is_run_as_it_is(function, args, result) -> None:
    wrapped = mint.experiment(function)
    assert wrapped(*args) == result
    assert Spearmint.run(wrapped)(*args).main_result.config == {"limit": 3}


def test_a_function_without_a_signature_cannot_be_bound() -> None:
    with pytest.raises(BindingError, match=r"^Cannot bind builtins:min: it tells no signature .*Wrap it in a Python"):
        mint.experiment(bindings={"limit": "limit"})(min)


def test_a_builtin_function_in_a_class_takes_no_instance() -> None:
    class Text(list):
        size = mint.experiment(len)
        text_size = mint.experiment(str.__len__)

    assert Text([1, 2]).size("abc") == 3
    with pytest.raises(TypeError, match="requires a 'str' object but received a 'Text'"):
        Text().text_size()


def test_a_bound_method_can_be_decorated_and_stays_bound() -> None:
    class Ranker:
        def score(self, config):
            return self, config.limit

    ranker = Ranker()
    scored = mint.experiment(ranker.score)
    holder = type("Holder", (), {"score": scored})()
    assert scored() == holder.score() == (ranker, 3)
    assert scored.__self__ is ranker
    assert Spearmint.run(scored)().main_result.result == (ranker, 3)


class Callable_:
    def __call__(self, config):
        return config


@pytest.mark.parametrize(
    ("target", "what"),
    [
        (None, "an object of type NoneType"),
        (3, "an object of type int"),
        (Config, "a class"),
        (sys, "an object of type module"),
        (Callable_(), "an object of type Callable_"),
        (functools.partial(plain, "a"), "an object of type partial"),
        (functools.partialmethod(plain, "a"), "an object of type partialmethod"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_function_is_refused_by_name(target, what) -> None:
    with pytest.raises(DeclarationError) as caught:
        mint.experiment()(target)
    assert str(caught.value) == (
        f"Cannot make an experiment of {target!r}: it is {what}, not a function. Decorate a function."
    )


def test_a_static_method_of_what_is_no_function_is_refused_too() -> None:
    with pytest.raises(DeclarationError, match="it is an object of type int, not a function"):
        mint.experiment(staticmethod(3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: f(), r"plain() missing 1 required positional argument: 'text'"),
        (lambda f: f("a", 1, 2), r"plain() takes from 1 to 2 positional arguments but 3 were given"),
        (lambda f: f("a", text="b"), r"plain() got multiple values for argument 'text'"),
        (lambda f: f("a", unknown=1), r"plain() got an unexpected keyword argument 'unknown'"),
    ],
)
def test_wrong_arguments_are_pythons_own_error(call, message) -> None:
    with pytest.raises(TypeError) as caught:
        call(mint.experiment(plain))
    assert str(caught.value) == message
    assert caught.type is TypeError


def test_unawaited_coroutine_warns_under_the_functions_name() -> None:
    with pytest.warns(RuntimeWarning, match="coroutine 'coroutine' was never awaited"):
        mint.experiment(coroutine)()


def test_exit_stack_calls_an_experiment_like_a_function():
    seen = []

    @experiment(configs=[{"k": 1}])
    def leave(kind, error, trace, config=None):
        seen.append(kind)

    @experiment(configs=[{"k": 1}])
    async def leave_async(kind, error, trace, config=None):
        seen.append(kind)

    with contextlib.ExitStack() as stack:
        stack.push(leave)

    async def main():
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_exit(leave_async)

    asyncio.run(main())
    assert seen == [None, None]
    with contextlib.ExitStack() as stack, pytest.raises(TypeError, match="does not support the context manager"):
        stack.enter_context(leave)
    with pytest.raises(AttributeError, match="no attribute '__e"), leave:
        pass


def test_functools_wraps_leaves_the_experiment_its_function():
    def f(x: int) -> str:
        """F."""

    @functools.wraps(f)
    @experiment(configs=[{"k": 1}])
    def wrapper(*args, k=0, config=None):
        return "wrapper", args

    assert wrapper(1) == ("wrapper", (1,))
    assert (wrapper.__name__, wrapper.__doc__, inspect.signature(wrapper)) == ("f", "F.", inspect.signature(f))
    assert inspect.unwrap(wrapper) is f
    assert wrapper.__kwdefaults__ == {"k": 0, "config": None}
    assert wrapper.__wrapped__ is f


def test_wrapped_of_a_decorated_function_is_its_own():
    def plain(x):
        return x

    @functools.wraps(plain)
    def doubled(x, k=1):
        return 2 * plain(x)

    outer = experiment(configs=[{"k": 1}])(doubled)
    assert outer(2) == 4
    assert outer.__wrapped__ is plain
    assert inspect.unwrap(outer) is plain
    assert experiment(configs=[{"k": 1}])(plain).__wrapped__ is plain

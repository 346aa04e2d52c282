"""Whatever stands in a class body can be an experiment, and stays what it was."""

import abc
import asyncio
import dataclasses
import enum
import functools
import inspect
from typing import Any, NamedTuple, Protocol, runtime_checkable

import pytest

from spearmint import Config, Spearmint
from spearmint.errors import DeclarationError

mint = Spearmint(configs=[{"limit": 3}])


class Ranker:
    @mint.experiment
    def score(self, text, config):
        return f"{type(self).__name__} {text} {config.limit}"

    @mint.experiment
    @staticmethod
    def around_static(config):
        return config.limit

    @staticmethod
    @mint.experiment
    def inside_static(config):
        return config.limit

    @mint.experiment
    @classmethod
    def around_class(cls, config):
        return cls.__name__, config.limit

    @classmethod
    @mint.experiment
    def inside_class(cls, config):
        return cls.__name__, config.limit

    @mint.experiment
    @property
    def around_property(self, config=None):  # noqa: PLR0206 - Spearmint gives it
        return config.limit

    @around_property.setter
    def around_property(self, value):
        self.stored = value

    @property
    @mint.experiment
    def inside_property(self, config=None):  # noqa: PLR0206 - Spearmint gives it
        return config.limit

    @mint.experiment
    @functools.cached_property
    def around_cached(self, config=None):  # noqa: PLR0206 - Spearmint gives it
        return [config.limit]

    @functools.cached_property
    @mint.experiment
    def inside_cached(self, config=None):  # noqa: PLR0206 - Spearmint gives it
        return [config.limit]

    by_partial = functools.partialmethod(score, "partial")

    @functools.singledispatchmethod
    @mint.experiment
    def dispatch(self, value, config):
        return f"object {config.limit}"

    @dispatch.register
    @mint.experiment
    def _(self, value: int, config: Config):
        return f"int {config.limit}"

    @mint.experiment
    async def ascore(self, config):
        return config.limit

    @mint.experiment
    def each(self, config):
        yield config.limit

    @mint.experiment
    async def aeach(self, config):
        yield config.limit


class SubRanker(Ranker):
    @mint.experiment
    def score(self, text, config):
        return f"sub {super().score(text)}"

    @classmethod
    @mint.experiment
    def around_class(cls, config):
        return "sub", super().around_class()


def test_a_method_is_called_with_its_instance() -> None:
    assert Ranker().score("a") == Ranker.score(Ranker(), "a") == "Ranker a 3"


def test_a_bound_method_is_the_interpreters_own() -> None:
    ranker = Ranker()
    bound = ranker.score
    assert inspect.ismethod(bound)
    assert bound.__self__ is ranker
    assert bound.__func__ is Ranker.score
    assert bound.__name__ == "score"
    assert bound.__qualname__ == "Ranker.score"
    assert str(inspect.signature(bound)) == "(text, config)"
    assert str(inspect.signature(Ranker.score)) == "(self, text, config)"
    assert bound == ranker.score
    assert hash(bound) == hash(ranker.score)
    assert bound != Ranker().score


@pytest.mark.parametrize(
    ("name", "is_kind"),
    [
        ("ascore", inspect.iscoroutinefunction),
        ("each", inspect.isgeneratorfunction),
        ("aeach", inspect.isasyncgenfunction),
    ],
)
def test_a_bound_method_is_of_its_functions_kind(name, is_kind) -> None:
    assert is_kind(getattr(Ranker(), name))
    assert is_kind(getattr(Ranker, name))


def test_async_methods_and_streams_are_filled_from_the_config() -> None:
    async def collect():
        return [item async for item in Ranker().aeach()]

    assert asyncio.run(Ranker().ascore()) == 3
    assert list(Ranker().each()) == [3]
    assert asyncio.run(collect()) == [3]


@pytest.mark.parametrize("name", ["around_static", "inside_static"])
def test_static_method_takes_no_instance_in_either_order(name) -> None:
    assert getattr(Ranker, name)() == getattr(Ranker(), name)() == 3
    assert isinstance(inspect.getattr_static(Ranker, name), staticmethod)


@pytest.mark.parametrize("name", ["around_class", "inside_class"])
def test_class_method_takes_the_class_in_either_order(name) -> None:
    assert getattr(Ranker, name)() == getattr(Ranker(), name)() == ("Ranker", 3)
    assert isinstance(inspect.getattr_static(Ranker, name), classmethod)


def test_super_reaches_the_experiment_of_the_base_class() -> None:
    assert SubRanker().score("a") == "sub SubRanker a 3"
    assert SubRanker.around_class() == ("sub", ("SubRanker", 3))
    assert SubRanker.inside_class() == ("SubRanker", 3)


@pytest.mark.parametrize("name", ["around_property", "inside_property"])
def test_a_property_is_read_under_the_config(name) -> None:
    assert getattr(Ranker(), name) == 3
    assert isinstance(inspect.getattr_static(Ranker, name), property)


def test_a_property_keeps_its_setter() -> None:
    ranker = Ranker()
    ranker.around_property = 7
    assert ranker.stored == 7
    with pytest.raises(AttributeError, match="property 'inside_property' of 'Ranker' object has no setter"):
        ranker.inside_property = 7


def test_a_property_without_a_getter_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"the property has no getter\. Decorate its setter\.$"):
        mint.experiment(property(fset=lambda self, value: None))


@pytest.mark.parametrize("name", ["around_cached", "inside_cached"])
def test_a_cached_property_is_computed_once(name) -> None:
    ranker = Ranker()
    assert getattr(ranker, name) == [3]
    assert getattr(ranker, name) is getattr(ranker, name)


def test_partialmethod_and_singledispatchmethod_bind_experiments() -> None:
    assert Ranker().by_partial() == "Ranker partial 3"
    assert [Ranker().dispatch("a"), Ranker().dispatch(1)] == ["object 3", "int 3"]


class Shape(abc.ABC):
    @mint.experiment
    @abc.abstractmethod
    def around(self, config):
        """Return something."""

    @abc.abstractmethod
    @mint.experiment
    def inside(self, config):
        """Return something."""

    @mint.experiment
    @property
    @abc.abstractmethod
    def size(self):
        """Return something."""

    @mint.experiment
    @classmethod
    @abc.abstractmethod
    def make(cls):
        """Return something."""


def test_an_abstract_experiment_refuses_instances() -> None:
    assert Shape.around.__isabstractmethod__
    assert Shape.__abstractmethods__ == {"around", "inside", "size", "make"}
    with pytest.raises(TypeError, match="Can't instantiate abstract class Shape"):
        Shape()


def test_an_abstract_method_is_implemented_by_an_experiment() -> None:
    class Square(Shape):
        size = 1
        make = None

        @mint.experiment
        def around(self, config):
            return config.limit

        @mint.experiment
        def inside(self, config):
            return super().inside(config)

    assert Square().around() == 3
    assert Square().inside() is None


def test_special_methods_run_under_the_config() -> None:
    class Special:
        @mint.experiment
        def __new__(cls, config):
            made = super().__new__(cls)
            made.new = config.limit
            return made

        @mint.experiment
        def __init__(self, config):
            self.init = config.limit

        @mint.experiment
        def __call__(self, text, config):
            return text * config.limit

        @mint.experiment
        def __len__(self, config=None):
            return config.limit

        @mint.experiment
        def __iter__(self, config=None):
            yield config.limit

        @mint.experiment
        def __enter__(self, config=None):
            return config.limit

        @mint.experiment
        def __exit__(self, *error, config=None):
            return config.limit == 3

        @mint.experiment
        def __getattr__(self, name, config=None):
            return name * config.limit

    special = Special()
    assert (special.new, special.init) == (3, 3)
    assert special("a") == "aaa"
    assert len(special) == 3
    assert list(special) == [3]
    assert special.x == "xxx"
    with special as entered:
        raise ValueError(entered)


def test_implicit_class_methods_stay_class_methods() -> None:
    class Base:
        @mint.experiment
        def __init_subclass__(cls, *, factor=1, config=None):
            cls.limit = factor * config.limit

        @mint.experiment
        def __class_getitem__(cls, item, config=None):
            return cls.__name__, item, config.limit

    class Derived(Base, factor=2):
        pass

    assert Derived.limit == 6
    assert Derived["a"] == ("Derived", "a", 3)


def test_a_private_name_is_found_from_inside_the_class() -> None:
    class Private:
        @mint.experiment
        def __hidden(self, config):
            return config.limit

        def call(self):
            return self.__hidden()

    assert Private().call() == 3


def test_dataclass_takes_experiments_as_methods_and_defaults() -> None:
    @mint.experiment
    def free(config):
        return config.limit

    @dataclasses.dataclass(slots=True)
    class Data:
        base: int = 1
        function: Any = free

        @mint.experiment
        def total(self, config):
            return self.base + config.limit

        @mint.experiment
        def __post_init__(self, config=None):  # noqa: RUF033 - no field
            self.base += config.limit

    assert [field.name for field in dataclasses.fields(Data)] == ["base", "function"]
    assert Data(1).total() == 7
    assert Data() == Data(function=free)
    assert Data().function is free
    assert dataclasses.asdict(Data())["function"] is free
    assert dataclasses.replace(Data(), base=0).base == 3


def test_an_enum_takes_methods_and_no_more_members() -> None:
    class Word(enum.Enum):
        A = "a"

        @mint.experiment
        def repeat(self, config):
            return self.value * config.limit

        @mint.experiment
        @classmethod
        def count(cls, config):
            return len(cls) * config.limit

        @mint.experiment
        @property
        def length(self, config=None):  # noqa: PLR0206 - Spearmint gives it
            return config.limit

    assert list(Word) == [Word.A]
    assert (Word.A.repeat(), Word.count(), Word.A.length) == ("aaa", 3, 3)


def test_a_named_tuple_and_a_class_with_slots_take_methods() -> None:
    class Pair(NamedTuple):
        left: int

        @mint.experiment
        def total(self, config):
            return self.left + config.limit

    class Slotted:
        __slots__ = ()

        @mint.experiment
        def total(self, config):
            return config.limit

    assert Pair(1).total() == 4
    assert Slotted().total() == 3


def test_a_protocol_counts_an_experiment_among_its_members() -> None:
    @runtime_checkable
    class Scores(Protocol):
        @mint.experiment
        def score(self, text, config): ...

    assert isinstance(Ranker(), Scores)
    assert not isinstance(3, Scores)


def test_wrong_arguments_of_a_method_name_the_method() -> None:
    with pytest.raises(TypeError, match=r"^Ranker\.score\(\) takes from 2 to 3 positional arguments but 4 were given$"):
        Ranker().score("a", Config(), 1)
    with pytest.raises(TypeError, match=r"^Ranker\.score\(\) missing 2 required positional arguments: 'self' and 't"):
        Ranker.score()

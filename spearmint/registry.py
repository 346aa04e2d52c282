"""A function with its configs, strategy and bindings, compiled when it is declared; and where such are found."""

import inspect
import logging
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

from spearmint.cases import Combine, ExperimentCase, Option, Plan
from spearmint.config.binding import Binder
from spearmint.config.isolation import supplier
from spearmint.config.model import Config
from spearmint.config.parameters import Bindings, compile_binder
from spearmint.errors import BindingError, ConfigError, DeclarationError
from spearmint.strategies import SingleConfigStrategy, Start, make_strategy, takes_attributes

logger = logging.getLogger("spearmint")

_FEW_CASES = 100  # Beyond, cases are made when they are asked for, and not kept.

Kind = Literal["function", "coroutine", "generator", "async_generator"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How an experiment is run, as `spearmint.Spearmint` documents it; an experiment's own settings replace these."""

    strategy: Any = SingleConfigStrategy
    bindings: Bindings = field(default_factory=dict)
    on_variant_error: Callable[[BaseException], object] | None = None
    variant_timeout: float | None = None
    copy_args: bool = False
    combine: Combine = "product"
    max_cases: int | None = 1000

    def __post_init__(self) -> None:
        if not isinstance(self.bindings, Mapping):
            raise _bad_setting("bindings", self.bindings, "a mapping from types or parameter names to paths")
        if self.on_variant_error is not None and not callable(self.on_variant_error):
            raise _bad_setting("on_variant_error", self.on_variant_error, "a function of the exception")
        if self.variant_timeout is not None and not _is_positive(self.variant_timeout, int | float):
            raise _bad_setting("variant_timeout", self.variant_timeout, "a number of seconds above 0, or None")
        if not isinstance(self.copy_args, bool):
            raise _bad_setting("copy_args", self.copy_args, "True or False")
        if self.combine not in ("product", "one_at_a_time"):
            raise _bad_setting("combine", self.combine, "'product' or 'one_at_a_time'")
        if self.max_cases is not None and not _is_positive(self.max_cases, int):
            raise _bad_setting("max_cases", self.max_cases, "a whole number above 0, or None for no bound")


def _is_positive(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and value > 0


def _bad_setting(name: str, value: Any, wanted: str) -> DeclarationError:
    return DeclarationError(f"Cannot set {name!r} to {value!r}: it is of no use there. Give {wanted}.")


class ExperimentFunction:
    """A function that Spearmint runs under a configuration.

    Args:
        function: The function.
        configs: Its expanded configs, or those of its `spearmint.Spearmint` instance.
        settings: How it is run.
        has_own_configs: Whether the configs were given for this function alone. Experiments that share the configs of
            one instance pass them on to each other.
        has_own_bindings: Whether the bindings were.
        namespace: Names that its annotations may use beside its globals and closure.

    Attributes:
        function: The function.
        name: Its name, ``"module:qualified.name"``.
        kind: What calling it gives.
        configs: The configs; strategies get a list of just these objects.
        options: The same, compiled for this function.
        binder: Which parameters they fill.
        settings: How it is run.
        lone_cases: The cases of calls that reach no other experiment, by the identity of the main config.
        ready: Holds the case of every call outside a case, once it is known to be the same each time, without variants.
        ready_plan: The same with variants.
        lessons: How often it has learned.
        learned: Experiments that were called in its cases although no plan foresaw them, in the order of discovery.

    Raises:
        DeclarationError: If ``function`` is not one.
        BindingError: If a config does not reach a parameter.
        StrategyError: If the strategy cannot be made.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        configs: Sequence[Config],
        settings: Settings,
        *,
        has_own_configs: bool = False,
        has_own_bindings: bool = False,
        namespace: Mapping[str, Any] | None = None,
    ) -> None:
        self.function = function
        self.name = name_of(function)
        self.kind = kind_of(function)
        self.settings = settings
        self.configs = configs
        self.has_own_configs = has_own_configs
        self.strategy = make_strategy(settings.strategy, self.name)
        self.takes_attributes = takes_attributes(self.strategy)
        self.is_constant = bool(getattr(self.strategy, "is_constant", False))
        self.start: Start = getattr(self.strategy, "start", "after_main")
        self.collects = bool(getattr(self.strategy, "collects", False))
        self.binder: Binder = compile_binder(
            function,
            self.name,
            settings.bindings,
            namespace=namespace,
            has_configs=bool(configs),
            own_bindings=has_own_bindings,
        )
        self.options = tuple(self._compile(config) for config in configs)
        self._option_by_identity = {id(config): option for config, option in zip(configs, self.options, strict=True)}
        self._inherited: weakref.WeakKeyDictionary[Option, Option] = weakref.WeakKeyDictionary()
        self.lone_cases: dict[int, ExperimentCase] = {}
        self.ready: list[ExperimentCase | None] = [None]
        self.ready_plan: tuple[ExperimentCase, Plan | None] | None = None
        self.learned: weakref.WeakKeyDictionary[ExperimentFunction, None] = weakref.WeakKeyDictionary()
        self.lessons = 0

    def _compile(self, config: Config) -> Option:
        try:
            master = supplier(config)()
        except Exception as error:
            message = (
                f"Cannot copy config {config.config_id!r} for {self.name}: {type(error).__name__}: {error}. Each "
                "execution needs its own. Put something immutable in it, or give the type a __deepcopy__."
            )
            raise ConfigError(message) from error
        return Option(master, config.config_id, supplier(master), self.binder.bind(master))

    @property
    def plain_option(self) -> Option:
        """The option of an experiment that has no config, called where no other experiment has one for it."""
        slots = self.binder.slots
        empty = Config()
        values = tuple(None if slot.has_default else self._refusal(slot.name) for slot in slots)
        return Option(empty, empty.config_id, Config, values)

    def _refusal(self, parameter: str) -> Callable[[], Any]:
        def refuse() -> Any:
            message = (
                f"Cannot fill parameter {parameter!r} of {self.name}: it has no configs, and no experiment with one "
                f"called it. Give it configs=..., or pass {parameter!r}."
            )
            raise BindingError(message, function=self.name, parameter=parameter)

        return refuse

    def option_of(self, config: Config) -> Option | None:
        """Return the option for one of the configs that the strategy was given, or for one equal to it.

        Args:
            config: What the strategy returned.

        Returns:
            The option; None for a stranger.
        """
        found = self._option_by_identity.get(id(config))
        if found is not None:
            return found
        if not isinstance(config, Mapping):
            return None
        config_id = config.config_id if isinstance(config, Config) else None  # A plain dict has content only.
        equal = (one for one in self.options if one.config == config)
        return next((one for one in equal if config_id in (None, one.config_id)), None)

    def inherit(self, option: Option) -> Option:
        """Return the caller's config as this experiment uses it.

        Args:
            option: What the calling experiment runs under.

        Returns:
            The option, compiled on the first call and then kept.

        Raises:
            BindingError: If the caller's config does not reach a parameter of this function.
        """
        made = self._inherited.get(option)
        if made is None:
            made = Option(option.config, option.config_id, option.copy, self.binder.bind(option.config))
            self._inherited[option] = made
        return made

    def keep(self, choice: tuple[ExperimentCase, Plan | None], others: Iterable[Any], lessons: int) -> None:
        """Keep what was chosen for a call for the next call that chooses the same.

        Args:
            choice: The main case, and the plan if it holds variants.
            others: The experiments in it beside this one.
            lessons: The count of lessons when it was made; it is not kept if more have been learned since.
        """
        case, plan = choice
        if (self.is_constant or not self.options) and all(one.is_constant for one in others):
            self.ready_plan = choice if plan is None or len(plan) > _FEW_CASES else (case, plan.with_cases())
            self.ready[0] = case if plan is None and not self.collects else None
        elif plan is None and not lessons:
            self.lone_cases.update((key, case) for key, one in self._option_by_identity.items() if one is case.option)
        if self.lessons != lessons:
            self._forget_cases()

    def _forget_cases(self) -> None:
        self.ready[0] = self.ready_plan = None
        self.lone_cases.clear()

    def learn(self, experiment: "ExperimentFunction") -> None:
        """Remember an experiment that was called in a case of this one, so that later plans reckon with it."""
        self.learned[experiment] = None
        self.lessons += 1
        self._forget_cases()  # The running case has gained an assignment, which is for this call alone.

    def report(self, error: BaseException) -> None:
        """Tell of a variant's exception, once; nothing that goes wrong here goes further."""
        try:
            logger.error("A variant of %s ended with %s", self.name, type(error).__name__, exc_info=error)
            if self.settings.on_variant_error is not None:
                self.settings.on_variant_error(error)
        except BaseException as second:  # Neither a handler of logging nor the callback may harm the caller.
            logger.exception("on_variant_error of %s raised %s", self.name, type(second).__name__)

    def __repr__(self) -> str:
        return f"<ExperimentFunction {self.name} with {len(self.options)} configs>"


def name_of(function: Callable[..., Any]) -> str:
    """Return a function's name, ``"module:qualified.name"``.

    Raises:
        DeclarationError: If it is not a function.
    """
    name = getattr(function, "__qualname__", None)
    if not inspect.isroutine(function) or not isinstance(name, str):
        what = "a class" if isinstance(function, type) else f"an object of type {type(function).__qualname__}"
        message = f"Cannot make an experiment of {function!r}: it is {what}, not a function. Decorate a function."
        raise DeclarationError(message)
    return f"{getattr(function, '__module__', None) or 'builtins'}:{name}"


def kind_of(function: Callable[..., Any]) -> Kind:
    """Return what calling a function gives: a value, a coroutine, or one of the two kinds of streams."""
    if inspect.isasyncgenfunction(function):
        return "async_generator"
    if inspect.isgeneratorfunction(function):
        return "generator"
    return "coroutine" if inspect.iscoroutinefunction(function) else "function"


class ExperimentFunctionRegistry:
    """Where the experiments of the process are found by name. It keeps none of them alive."""

    def __init__(self) -> None:
        self._by_name: weakref.WeakValueDictionary[str, ExperimentFunction] = weakref.WeakValueDictionary()

    def add(self, experiment: ExperimentFunction) -> None:
        """Register an experiment; a later one of the same name, as after a reload, takes its place."""
        self._by_name[experiment.name] = experiment

    def get(self, name: str) -> ExperimentFunction:
        """Return the experiment of a name.

        Args:
            name: ``"module:qualified.name"``.

        Returns:
            The experiment that was declared last under that name.

        Raises:
            DeclarationError: If there is none; the message names close ones.
        """
        found = self._by_name.get(name)
        if found is None:
            close = get_close_matches(name, list(self._by_name), n=3)
            suggestion = f" Close: {', '.join(close)}." if close else " Import its module first."
            message = f"Cannot find experiment {name!r}: none of that name is declared.{suggestion}"
            raise DeclarationError(message)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[ExperimentFunction]:
        references = self._by_name.valuerefs()  # A list, which other threads do not lengthen meanwhile.
        return iter([found for reference in references if (found := reference()) is not None])

    def __len__(self) -> int:
        return len(self._by_name)


registry = ExperimentFunctionRegistry()

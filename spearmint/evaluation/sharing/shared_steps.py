"""Which experiments an evaluation shares, and what of a case each of them can see."""

import threading
import types
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextvars import Context, ContextVar, copy_context
from functools import lru_cache
from typing import Any

from spearmint.cases.bound_config import BoundConfig
from spearmint.cases.case import ExperimentCase
from spearmint.config.copying import is_immutable
from spearmint.config.model import Config
from spearmint.config.paths import look_up
from spearmint.context.current import attributes_var, experiment_case_var
from spearmint.discovery.reach.user_code import same_project_filter
from spearmint.evaluation.sharing.exact_key import Identical, UnkeyableError, exact_key
from spearmint.evaluation.sharing.step_case import Execution
from spearmint.planning.join import passes_on
from spearmint.planning.select import reached_from
from spearmint.proxy.proxy import make_step
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.state import epoch
from spearmint.registry.value import PER_EXECUTION, ValueOption

# Of tracers and of arithmetic: they are others in each cell, and no result depends on them.
_IGNORED = ("spearmint", "mlflow", "current_context", "decimal_context")
_MISSING = object()
_LITTLE = 0.005  # seconds of the processor that sharing a step may always take
_OFTEN = 3  # calls one after another whose sharing is too dear: one may have met a collection of garbage


class _Same:
    """A config that equals itself alone.

    Args:
        config: The config.
    """

    __slots__ = ("config",)

    def __init__(self, config: Config) -> None:
        self.config = config

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.config is self.config

    def __hash__(self) -> int:
        return id(self.config)


_Seen = tuple[ExperimentFunction, Any]
"""An experiment, and what it sees of a config."""


class SharedSteps:
    """What one evaluation shares, in one process.

    Args:
        experiment: What is evaluated.
        args: The positional arguments that every call of it gets first.
    """

    def __init__(self, experiment: ExperimentFunction, args: tuple[Any, ...]) -> None:
        self._root = experiment
        self._args = args
        module = getattr(experiment.function, "__module__", None) or "__main__"
        self._follows = same_project_filter(module)
        self._base = dict(copy_context())
        self._reached: dict[tuple[ExperimentFunction, type | None], Sequence[ExperimentFunction]] = {}
        self._contents: weakref.WeakKeyDictionary[BoundConfig, dict[ExperimentFunction, _Seen]]
        self._contents = weakref.WeakKeyDictionary()
        self._refused: dict[ExperimentFunction, str] = {}
        self._dear: Counter[ExperimentFunction] = Counter()
        self._lock = threading.Lock()
        self._find()

    def _find(self) -> None:
        """Find the steps, and let calls of them ask who runs them."""
        self._changes = epoch.changes
        self._reached.clear()
        reached = reached_from(self._root, self._args) - {self._root.canonical}
        self.steps = frozenset(one for one in reached if one.is_called)
        for one in self.steps:
            make_step(one)

    def refresh(self) -> None:
        """Take in the steps that a running cell has called, and no analysis had discovered."""
        if epoch.changes != self._changes:
            self._find()

    def is_user_code(self, module: str) -> bool:
        """Tell whether a module is the user's."""
        return self._follows(module)

    def refusal(self, experiment: ExperimentFunction) -> str:
        """Say why no further call of an experiment is shared; empty if they may be."""
        return self._refused.get(experiment.canonical, "")

    def refuse(self, experiment: ExperimentFunction, reason: str) -> None:
        """Share no further call of an experiment."""
        self._refused[experiment.canonical] = reason

    def is_worthwhile(self, experiment: ExperimentFunction, sharing: float, seconds: float) -> bool:
        """Tell whether sharing a call takes less time than the call; no other is shared once it often does not.

        Args:
            experiment: The step.
            sharing: Seconds of the processor that recognising a call and copying its result take.
            seconds: How long the call took.
        """
        is_dear = sharing > max(seconds, _LITTLE)
        with self._lock:
            in_a_row = self._dear[experiment.canonical] = is_dear * (self._dear[experiment.canonical] + 1)
        if in_a_row >= _OFTEN:
            self.refuse(experiment, "comparing its arguments and copying its result take longer than a call")
        return not is_dear

    def sees(self, experiment: ExperimentFunction, case: ExperimentCase, args: tuple[Any, ...]) -> tuple[_Seen, ...]:
        """Return what of the configs a call can see: what fills its parameters, and those of all that it reaches."""
        return tuple(self._visible(experiment, case, args))

    def unseen(
        self, experiment: ExperimentFunction, case: ExperimentCase, args: tuple[Any, ...], execution: Execution
    ) -> str:
        """Say what a run has called that its key does not tell; empty if nothing."""
        if not execution.options:
            return ""
        visible = set(self._visible(experiment, case, args))
        for (called, _), option in execution.options.items():
            if not isinstance(called, ExperimentFunction):
                return f"it reads {called.name}"
            if isinstance(option, ValueOption) and option.read is PER_EXECUTION:
                return f"it reads {called.name}, whose value can be changed"
            if not called.settings.cache:
                return f"it calls {called.name}, which has cache=False"
            is_alone = len(called.options) <= 1 and (not option.config or option in called.options)
            if called.binder.slots and not is_alone and self._seen(called, option) not in visible:
                verb = "calls" if called.is_called else "reads"
                return f"it {verb} {called.name}, which no analysis discovered in it"
        return ""

    def surroundings(self, experiment: ExperimentFunction) -> tuple[Any, ...]:
        """Return what tells apart functions of one definition: what their closures and defaults hold."""
        function = experiment.function
        if type(function) is not types.FunctionType:
            return (Identical(function),)
        if function.__closure__ is None and not function.__defaults__ and not function.__kwdefaults__:
            return ()
        held = [_contents_of(cell) for cell in function.__closure__ or ()]
        held += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        return tuple(value if is_immutable(value) else Identical(value) for value in held)

    def changed_variables(self, context: Context) -> tuple[Any, ...]:
        """Return the context variables that are others than before the evaluation, with their values."""
        return tuple(_differing(self._base, context))

    def changed_between(self, before: Context, after: Context) -> str:
        """Return the name of a context variable that is another by now; empty if none is."""
        changed = [var for var, _ in _differing(before, after)]
        changed += [var for var in before if var not in after and not _is_ignored(var)]
        return changed[0].name if changed else ""

    def _visible(self, experiment: ExperimentFunction, case: ExperimentCase, args: tuple[Any, ...]) -> Iterator[_Seen]:
        if experiment.binder.slots:
            yield self._seen(experiment.canonical, case.option)
        for one in self._reach(experiment, args):
            if one.binder.slots:
                found = case.assigned(one), _inherited(case, one)
                yield from (self._seen(one, option) for option in found if option is not None)

    def _reach(self, experiment: ExperimentFunction, args: tuple[Any, ...]) -> Sequence[ExperimentFunction]:
        canonical = experiment.canonical
        key = canonical, type(args[0]) if args else None
        found = self._reached.get(key)
        if found is None:
            found = self._reached[key] = tuple(
                sorted((one for one in reached_from(canonical, args) if one is not canonical), key=_name)
            )
        return found

    def _seen(self, experiment: ExperimentFunction, option: BoundConfig) -> _Seen:
        """Return what an experiment sees of a config."""
        by_experiment = self._contents.setdefault(option, {})
        found = by_experiment.get(experiment)
        if found is None:
            paths = [slot.path for slot in experiment.binder.slots]
            values = [_looked_up(option.config, path) for path in paths]
            try:
                content: Any = exact_key(values, self._follows).content
            except UnkeyableError:  # It equals itself alone.
                content = _Same(option.config)
            found = by_experiment[experiment] = experiment, content
        return found


def _name(experiment: ExperimentFunction) -> str:
    return experiment.name


def _inherited(case: ExperimentCase, experiment: ExperimentFunction) -> BoundConfig | None:
    """Return the option of the nearest caller that passes its configs on to an experiment."""
    caller: ExperimentCase | None = case
    while caller is not None:
        if isinstance(caller.current, ExperimentFunction) and passes_on(caller.current, experiment):
            return caller.option
        caller = caller.parent
    return None


def _looked_up(config: Config, path: str) -> tuple[Any, ...]:
    try:
        return (look_up(config, path),)
    except KeyError:  # The parameter's default stands.
        return ()


def _contents_of(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None


def _differing(before: Mapping[ContextVar[Any], Any], after: Context) -> Iterator[tuple[ContextVar[Any], Any]]:
    for var, value in after.items():
        if before.get(var, _MISSING) is not value and not _is_ignored(var):
            yield var, value


@lru_cache(maxsize=1_000)
def _is_ignored(var: ContextVar[Any]) -> bool:
    return var is experiment_case_var or (var is not attributes_var and var.name.startswith(_IGNORED))

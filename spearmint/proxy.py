"""The wrapt proxy around an experiment's function: a call goes in, and the fast path comes first."""

import functools
import inspect
import types
import weakref
from collections.abc import Callable, Mapping
from typing import Any, cast

import wrapt

from spearmint.calling import compile_call
from spearmint.cases import ExperimentCase
from spearmint.errors import DeclarationError
from spearmint.execution import asyncio as tasks
from spearmint.execution import threads
from spearmint.execution.steps import Call, begin
from spearmint.execution.streams import astream, stream
from spearmint.plans import Plan
from spearmint.registry import Carrier, ExperimentFunction
from spearmint.results import Outcome

_bound: Callable[[Any, object], types.MethodType] = types.MethodType
_ANNOTATIONS: Any = vars(wrapt.BaseObjectProxy)["__annotations__"]


class _Absent:
    """Stands for a method that wrapt's proxies have and functions have not, where its mere presence is looked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> Any:
        message = f"{owner.__name__!r} object has no attribute {self._name!r}"
        raise AttributeError(message)


class ExperimentProxy(wrapt.BaseObjectProxy[Any], Carrier):
    """A function under experiment. To everything that looks at it, it is the function.

    Args:
        function: The function.
        experiment: What Spearmint knows of it.
    """

    # A slot of that name makes the interpreter call what stands in it, with no Python frame of the proxy's own.
    __slots__ = ("__call__", "_self_experiment")

    # Whoever asks a class for its annotations leaves an empty dict in it, which would hide those of every function.
    __annotations__ = _ANNOTATIONS

    # `contextlib.ExitStack.push` takes whatever has these for a context manager, and calls everything else. Annotated,
    # they would be annotations of the function.
    __enter__ = _Absent("__enter__")
    __exit__ = _Absent("__exit__")
    __aenter__ = _Absent("__aenter__")
    __aexit__ = _Absent("__aexit__")

    def __init__(self, function: Callable[..., Any], experiment: ExperimentFunction) -> None:
        super().__init__(function)
        self._self_experiment = experiment
        experiment.carriers.append(weakref.ref(self))
        ExperimentProxy.__dict__["__call__"].__set__(self, compile_call(experiment, performer_of(experiment)))

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute of the function; `functools.wraps`, applied to a proxy, does not change what it calls."""
        if name == "__wrapped__":
            setattr(self.__wrapped__, name, value)
        else:
            super().__setattr__(name, value)

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        # A plain bound method: equality, pickling, copying and `inspect` are then the interpreter's own.
        return self if instance is None else _bound(self, instance)

    def __reduce_ex__(self, protocol: Any) -> str:
        """Pickle as the function does: by its name."""
        name: str = self.__wrapped__.__qualname__
        return name

    def __copy__(self) -> "ExperimentProxy":
        return self

    def __deepcopy__(self, memo: Mapping[int, Any]) -> "ExperimentProxy":
        return self


class UnboundProxy(ExperimentProxy):
    """The same around what takes no instance where it stands in a class: a builtin function, or a bound method."""

    __slots__ = ()
    __annotations__ = _ANNOTATIONS

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self


Choice = tuple[ExperimentCase, Plan | None]


def performer_of(experiment: ExperimentFunction) -> Callable[..., Any]:
    """Return what runs calls of an experiment that have variants."""
    if experiment.kind in ("generator", "async_generator") and not experiment.collects:
        return begin_stream
    return aperform if experiment.kind in ("coroutine", "async_generator") else perform_call


def perform_call(
    experiment: ExperimentFunction, args: tuple[Any, ...], kwargs: Mapping[str, Any], choice: Choice
) -> Any:
    """Run a call that has variants, and give the caller what is the caller's."""
    call = begin(experiment, args, kwargs, choice)
    outcome = threads.run(call)
    if outcome.exception is None or _is_collected(experiment, outcome):
        return call.results if experiment.collects else outcome.value
    release_callers(outcome.exception)
    try:
        raise outcome.exception
    finally:
        del call, outcome  # The traceback holds this frame, which would hold the exception.


async def aperform(
    experiment: ExperimentFunction, args: tuple[Any, ...], kwargs: Mapping[str, Any], choice: Choice
) -> Any:
    """Do for an async function what `perform_call` does for a function."""
    call = begin(experiment, args, kwargs, choice)
    outcome = await tasks.run(call)
    if outcome.exception is None or _is_collected(experiment, outcome):
        return call.results if experiment.collects else outcome.value
    release_callers(outcome.exception)
    try:
        raise outcome.exception
    finally:
        del call, outcome


def _is_collected(experiment: ExperimentFunction, outcome: Outcome) -> bool:
    """Tell whether main's exception is one outcome among others, rather than an interruption of the whole call."""
    return experiment.collects and isinstance(outcome.exception, Exception)


def release_callers(error: BaseException | None) -> None:
    """Empty the finished frames of ours behind an exception: they hold the call, whose results hold the exception.

    A traceback keeps the frame that raised, and that one keeps, since CPython 3.11, the frames that called it.

    Args:
        error: What main raised, about to be raised again.
    """
    trace = None if error is None else error.__traceback__
    frame = None if trace is None else trace.tb_frame.f_back
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("spearmint."):
        try:
            frame.clear()
        except RuntimeError:  # It is still running.
            return
        frame = frame.f_back


def begin_stream(
    experiment: ExperimentFunction, args: tuple[Any, ...], kwargs: Mapping[str, Any], choice: Choice
) -> Any:
    """Return main's stream, whose end starts the variants."""
    return open_stream(begin(experiment, args, kwargs, choice))


def open_stream(call: Call) -> Any:
    """Create main's stream, which nothing runs until somebody iterates it.

    Args:
        call: The call of a generator or async generator function.

    Returns:
        The generator or async generator.
    """
    args, kwargs = call.main_arguments
    made = call.experiment.function(*args, **kwargs)
    begin_main = None if call.decision is None else functools.partial(call.begin_main, args, kwargs)
    if call.experiment.kind == "async_generator":
        return astream(made, call.main, tasks.TaskDriver(call), begin_main)
    return stream(made, call.main, threads.ThreadDriver(call), begin_main)


def wrap(target: Any, declare: Callable[[Callable[..., Any]], ExperimentFunction]) -> Any:
    """Put a proxy around a function, or around the one inside a static or class method or property.

    Args:
        target: What is decorated.
        declare: Makes an experiment of a function.

    Returns:
        The same kind of thing, with a proxy at its heart.

    Raises:
        DeclarationError: If there is no function in it.
    """
    if isinstance(target, staticmethod | classmethod):
        return type(target)(wrap(target.__func__, declare))
    if isinstance(target, property):
        if target.fget is None:
            message = f"Cannot make an experiment of {target!r}: the property has no getter. Decorate its setter."
            raise DeclarationError(message)
        return target.getter(wrap(target.fget, declare))
    if isinstance(target, functools.cached_property):
        return functools.cached_property(wrap(target.func, declare))
    function = target.__wrapped__ if isinstance(target, ExperimentProxy) else target
    takes_instance = hasattr(function, "__get__") and not isinstance(function, types.MethodType)
    proxy = (ExperimentProxy if takes_instance else UnboundProxy)(function, declare(function))
    # The class statement makes class methods of these two by itself, but only of real functions.
    if getattr(function, "__name__", "") in ("__init_subclass__", "__class_getitem__"):
        return classmethod(cast("Any", proxy))
    return proxy


def experiment_of(target: Any) -> tuple[ExperimentFunction, tuple[Any, ...], dict[str, Any]]:
    """Return the experiment behind a callable, and the arguments that the callable already holds.

    Args:
        target: An experiment, a method of an instance or class that is one, or a `functools.partial` of these.

    Returns:
        The experiment, positional arguments and keyword arguments.

    Raises:
        DeclarationError: If there is no experiment behind it.
    """
    if isinstance(target, functools.partial):
        experiment, args, kwargs = experiment_of(target.func)
        return experiment, (*args, *target.args), {**kwargs, **target.keywords}
    if isinstance(target, types.MethodType) and isinstance(target.__func__, ExperimentProxy):
        return experiment_of(target.__func__)[0], (target.__self__,), {}
    if isinstance(target, ExperimentProxy):
        return target._self_experiment, (), {}  # noqa: SLF001 - wrapt keeps attributes of that prefix to the proxy
    inner = inspect.unwrap(target, stop=lambda one: isinstance(one, ExperimentProxy)) if callable(target) else target
    hint = "Decorate it with @experiment(...)"
    if isinstance(inner, ExperimentProxy):
        hint = "Another decorator stands around it; run what that one wraps, or put the experiment outermost"
    message = f"Cannot run {target!r}: it is no experiment. {hint}."
    raise DeclarationError(message)

"""The wrapt proxy around an experiment's function: a call goes in, and the fast path comes first."""

import functools
import inspect
import sys
import types
import weakref
from collections.abc import Callable, Mapping
from typing import Any, cast

import wrapt

from spearmint.errors import DeclarationError
from spearmint.execution.call_metrics import call_meter
from spearmint.planning.capture import active
from spearmint.planning.select import prepare
from spearmint.proxy.by_value import teach_picklers, tell_if_untaught
from spearmint.proxy.codegen import compile_call
from spearmint.proxy.perform import performer_of
from spearmint.registry.experiment import ExperimentFunction, ProxyBase
from spearmint.registry.plain_calls import plain_calls
from spearmint.signatures import is_implicit_class_method
from spearmint.tracing import recorder

_bound: Callable[[Any, object], types.MethodType] = types.MethodType
_annotations_of_proxy: Any = vars(wrapt.BaseObjectProxy)["__annotations__"]


class _Annotations:
    """The function's annotations on a proxy, and none on the class of proxies."""

    def __get__(self, instance: object, owner: type) -> Any:
        return {} if instance is None else _annotations_of_proxy.__get__(instance, owner)

    def __set__(self, instance: object, value: Any) -> None:
        _annotations_of_proxy.__set__(instance, value)


# A read of a class's annotations leaves an empty dict in the class, which would hide those of every function. What
# stands there instead counts as none: until 3.13 because it is wrapt's own, from 3.14 on by what it returns.
_ANNOTATIONS: Any = _Annotations() if sys.version_info >= (3, 14) else _annotations_of_proxy


class _AskedByName(type):
    """Answers code that calls `__get__` by its name, as exit stacks do since 3.15."""

    @property
    def __get__(cls) -> Callable[["_Absent", object, type], object]:  # noqa: PLE0302 - found by name, never called
        return _Absent.to_exit_stack


class _Absent(metaclass=_AskedByName):
    """Stands for a method that wrapt's proxies have and functions have not, where its mere presence is looked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> Any:
        message = f"{owner.__name__!r} object has no attribute {self._name!r}"
        raise AttributeError(message)

    def to_exit_stack(self, instance: object, owner: type) -> object:
        """Return the function itself, which a stack calls where there is no method; no function can be entered."""
        if "enter" in self._name:
            message = f"{owner.__name__!r} object does not support the context manager protocol"
            raise TypeError(message)
        return instance


class _Written:
    """An attribute of the function that calls are written for: with another value, they are written anew."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: "ExperimentProxy | None", owner: type) -> Any:
        return self if instance is None else getattr(plain_function(instance), self._name)

    def __set__(self, instance: "ExperimentProxy", value: object) -> None:
        setattr(plain_function(instance), self._name, value)
        _compile_proxies_anew(experiment_of(instance)[0])


class ExperimentProxy(wrapt.BaseObjectProxy[Any], ProxyBase):
    """A function under experiment. To everything that looks at it, it is the function.

    Args:
        function: The function.
        experiment: What Spearmint knows of it.
    """

    # A slot of that name makes the interpreter call what stands in it, with no Python frame of the proxy's own.
    __slots__ = ("__call__", "_self_experiment")

    __annotations__ = _ANNOTATIONS

    # Notebooks that reload modules set these on the functions that are there.
    __code__ = _Written()
    __defaults__ = _Written()
    __kwdefaults__ = _Written()

    # `contextlib.ExitStack.push` takes whatever has these for a context manager, and calls everything else. Annotated,
    # they would be annotations of the function.
    __enter__ = _Absent("__enter__")
    __exit__ = _Absent("__exit__")
    __aenter__ = _Absent("__aenter__")
    __aexit__ = _Absent("__aexit__")

    def __init__(self, function: Callable[..., Any], experiment: ExperimentFunction) -> None:
        super().__init__(function)
        prepare()
        self._self_experiment = experiment
        experiment.proxies.append(weakref.ref(self))
        compile_anew(self)
        teach_picklers()

    @property
    def __wrapped__(self) -> Any:
        """What the function says that it wraps; the function, where it says of nothing."""
        function = self._self_experiment.function
        return getattr(function, "__wrapped__", function)

    @__wrapped__.setter
    def __wrapped__(self, value: Any) -> None:
        # `functools.wraps`, applied to a proxy, does not change what it calls.
        self._self_experiment.function.__wrapped__ = value  # type: ignore[attr-defined]

    @property
    def __globals__(self) -> Any:
        """The function's. Who looks at them may be about to pickle it by value."""
        caller = sys._getframe(1).f_globals.get("__name__", "")  # noqa: SLF001 - no other way leads to it
        tell_if_untaught(caller)
        return self._self_experiment.function.__globals__

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        # A plain bound method: equality, pickling, copying and `inspect` are then the interpreter's own.
        return self if instance is None else _bound(self, instance)

    def __reduce_ex__(self, protocol: Any) -> str:
        """Pickle as the function does: by its name."""
        name: str = self.__qualname__
        return name

    def __copy__(self) -> "ExperimentProxy":
        return self

    def __deepcopy__(self, memo: Mapping[int, Any]) -> "ExperimentProxy":
        return self


_set_call: Callable[[ExperimentProxy, Callable[..., Any]], None] = vars(ExperimentProxy)["__call__"].__set__


def compile_anew(proxy: ExperimentProxy) -> None:
    """Write anew what a call of a proxy runs, as after a change of its experiment."""
    experiment = proxy._self_experiment  # noqa: SLF001 - wrapt keeps attributes of that prefix to the proxy
    if _is_plain(experiment):
        plain_calls.add(experiment, _compile_all)
        _set_call(proxy, experiment.function)
        # Another thread may have declared something meanwhile.
        if experiment in plain_calls and _is_plain(experiment):
            return
    _set_call(proxy, compile_call(experiment, performer_of(experiment)))


def _compile_proxies_anew(experiment: ExperimentFunction) -> None:
    for reference in tuple(experiment.proxies):
        if (proxy := reference()) is not None:
            compile_anew(proxy)


def _compile_all(experiment: ExperimentFunction) -> None:
    """Write what calls of an experiment run, which ran the function itself so far."""
    if experiment.is_released:
        return
    call = compile_call(experiment, performer_of(experiment))
    for reference in list(experiment.proxies):
        proxy = reference()
        if proxy is not None:
            _set_call(proxy, call)


def _is_plain(experiment: ExperimentFunction) -> bool:
    """Tell whether a call needs no more than the function: no config reaches it or what it calls, no trace or count."""
    return (
        not experiment.options
        and not experiment.is_step
        and not experiment.binder.slots
        and not experiment.collects
        and experiment.watch is None
        and not active
        and not call_meter.is_on
        and plain_calls.are_enough
        and not recorder.may_be_traced(experiment)
    )


def make_step(experiment: ExperimentFunction) -> None:
    """Let calls of an experiment inside a case ask who runs them, from now on."""
    for one in (experiment, *experiment.copies):
        if not one.is_step and not one.is_released:
            one.is_step = True
            _compile_proxies_anew(one)


class UnboundProxy(ExperimentProxy):
    """The same around what takes no instance where it stands in a class: a builtin function, or a bound method."""

    __slots__ = ()
    __annotations__ = _ANNOTATIONS

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self


def wrap_function(target: Any, declare: Callable[[Callable[..., Any]], ExperimentFunction]) -> Any:
    """Put a proxy around a function, or around the one inside a static or class method or property."""
    if isinstance(target, staticmethod | classmethod):
        return type(target)(wrap_function(target.__func__, declare))
    if isinstance(target, property):
        if target.fget is None:
            message = f"Cannot make an experiment of {target!r}: the property has no getter. Decorate its setter."
            raise DeclarationError(message)
        return target.getter(wrap_function(target.fget, declare))
    if isinstance(target, functools.cached_property):
        return functools.cached_property(wrap_function(target.func, declare))
    function = plain_function(target)
    takes_instance = hasattr(function, "__get__") and not isinstance(function, types.MethodType)
    proxy = (ExperimentProxy if takes_instance else UnboundProxy)(function, declare(function))
    # The class statement makes class methods of these two by itself, but only of real functions.
    if is_implicit_class_method(getattr(function, "__name__", "")):
        return classmethod(cast("Any", proxy))
    return proxy


def plain_function(target: Any) -> Any:
    """Return the function that a proxy stands around; anything else as it is."""
    return target._self_experiment.function if isinstance(target, ExperimentProxy) else target  # noqa: SLF001 - as below


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

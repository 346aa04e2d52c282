"""The function that a call of an experiment runs, written when the experiment is declared.

What a call does is known then, all but the values. So each experiment gets a function of its own, written for its
signature, as `dataclasses` writes an ``__init__``. Nothing on the way to the wrapped function is decided that could
have been decided before.
"""

import ast
import functools
import linecache  # noqa: TID251 - written, not read: what tracebacks show of generated code
import sys
import types
from collections.abc import Callable
from time import perf_counter
from typing import Any

from spearmint.config.binding import Slot
from spearmint.context.current import experiment_case_var
from spearmint.execution.running import arun, restore, run
from spearmint.execution.streams import astream, stream
from spearmint.frames import HIDDEN
from spearmint.online.exposures import exposures
from spearmint.online.stream_exposures import AsyncStreamExposure, StreamExposure
from spearmint.planning.join import join
from spearmint.planning.select import select, select_anew, select_assigned
from spearmint.registry.callables import stands_in_class
from spearmint.registry.experiment import ExperimentFunction
from spearmint.tracing import recorder

FILENAME = f"<spearmint {HIDDEN}>"
"""The file name of all generated calls."""

_LINE = "return function(*args, **kwargs)  # by spearmint"

_HEAD = """\
{define} call(*args, **kwargs):
    outer = case = current()
    if case is None:
        case = cached_case[0]
        if case is None{by_class}:
            case, plan = select(experiment, args)
            if plan is not None or {collects}:
                return {perform}(experiment, args, kwargs, (case, plan))
    else:
        case = case.known.get(experiment) or join(case, experiment)
"""
# The head of an experiment whose strategy assigns units.
_HEAD_ASSIGNED = """\
{define} call(*args, **kwargs):
    outer = case = current()
    if case is None:
        case, plan, assignment = select(experiment, args)
        if plan is not None or {collects}:
            return {perform}(experiment, args, kwargs, (case, plan))
    else:
        case = case.known.get(experiment) or join(case, experiment)
        assignment = case.assignment_of(experiment.canonical)
    is_exposed = assignment is not None and ({takes_value})
"""
_BY_CLASS = " and (not args or (case := cached_case_by_class.get(type(args[0]))) is None)"
_FILL = """\
    if {is_missing}:
        kwargs[{name!r}] = case.values[{position}]()
"""
_FILL_UNLESS_DEFAULT = """\
    if {is_missing} and (value := case.values[{position}]) is not None:
        kwargs[{name!r}] = value()
"""
_FILL_ALL = """\
    args, kwargs = fill(case.values, args, kwargs)
"""
# A signal handler may raise between any two bytecodes, so what was current is read first and set inside the `try`; and
# what restores it is repeated, should it be interrupted itself.
_CALL = """\
    try:
        try:
            token = enter(case)
            value = function(*args, **kwargs)
            leave(token)
            return value
        except BaseException:
            enter(outer)
            raise
    except BaseException:
        enter(outer)
        raise
"""
# The same, told as an exposure before it begins, and measured when it has ended.
_CALL_EXPOSED = """\
    if is_exposed and (exposure := expose(assignment, case)) is not None:
        token = failure = None
        started = clock()
        try:
            try:
                token = enter(case)
                value = {waits}function(*args, **kwargs)
                {leave}
                return value
            except BaseException as error:
                failure = error
                {recover}
                raise
        except BaseException:
            {recover}
            raise
        finally:
            measure(exposure, clock() - started, failure)
            failure = None
"""
_AWAIT = """\
    token = None
    try:
        try:
            token = enter(case)
            value = await function(*args, **kwargs)
            try:
                leave(token)
            except ValueError:  # A suspended call may end in another context, as where the collector closes it.
                pass
            return value
        except BaseException:
            restore(token, outer)
            raise
    except BaseException:
        restore(token, outer)
        raise
"""
_STREAM = """\
    return {stream}(function(*args, **kwargs), case, None)
"""
_TRACED = """\
    if {is_on} and is_traced(experiment):
        span = begin(experiment, case, args, kwargs)
        try:
            value = {waits}{run}(case, span, function, args, kwargs)
        except BaseException as error:
            end(span, None, error)
            raise
        end(span, value)
        return value
"""
_TRACED_EXPOSED = """\
    if {is_on} and is_traced(experiment):
        span = begin(experiment, case, args, kwargs)
        exposure = expose(assignment, case, span) if is_exposed else None
        failure = None
        started = clock()
        try:
            value = {waits}{run}(case, span, function, args, kwargs)
        except BaseException as error:
            failure = error
            end(span, None, error)
            raise
        finally:
            if exposure is not None:
                measure(exposure, clock() - started, failure)
            failure = None
        end(span, value)
        return value
"""
_TRACED_STREAM = """\
    if {is_on} and is_traced(experiment):
        begins = partial(begin, experiment, case, args, kwargs)
        return {stream}(function(*args, **kwargs), case, None, begins)
"""
_STREAM_EXPOSED = """\
    if is_exposed:
        begins = partial(begin, experiment, case, args, kwargs) if {is_on} and is_traced(experiment) else None
        told = {exposed}(assignment, case, begins)
        return {stream}(function(*args, **kwargs), case, told, told.open)
"""


def compile_call(experiment: ExperimentFunction, perform: Callable[..., Any]) -> Callable[..., Any]:
    """Write the function that a call of an experiment runs; it hands calls with variants to ``perform``."""
    text = _source(experiment)
    module = getattr(experiment.function, "__module__", None)
    namespace: dict[str, Any] = {
        # `sys._getframe(1)` of the function has this frame's globals: what is named there must be importable.
        "__name__": module if module in sys.modules else __name__,
        "__tracebackhide__": True,
        "AsyncStreamExposure": AsyncStreamExposure,
        "StreamExposure": StreamExposure,
        "arun": arun,
        "astream": astream,
        "begin": recorder.begin_span,
        "called": experiment.watch and experiment.watch.called,
        "clock": perf_counter,
        "current": experiment_case_var.get,
        "end": recorder.end,
        "enter": experiment_case_var.set,
        "experiment": experiment,
        "expose": exposures.expose,
        "fill": experiment.binder.fill,
        "function": experiment.function,
        "is_fully_bound": experiment.binder.is_fully_bound_by_caller,
        "is_traced": recorder.is_traced,
        "join": join,
        "leave": experiment_case_var.reset,
        "measure": exposures.measure,
        "partial": functools.partial,
        "perform": perform,
        "cached_case": experiment.state.cached_case,
        "cached_case_by_class": experiment.state.cached_case_by_class,
        "restore": restore,
        "run": run,
        "select": _selector(experiment),
        "stream": stream,
    }
    exec(_compiled(text), namespace)  # noqa: S102 - the source is made of the templates above and checked names
    call: types.FunctionType = namespace["call"]
    recorder.watch(call)
    # A coroutine that is never awaited is warned of by this name.
    call.__name__ = experiment.function.__name__
    call.__qualname__ = experiment.function.__qualname__
    return call


def _selector(experiment: ExperimentFunction) -> Callable[..., Any]:
    if experiment.split is not None:
        return select_assigned
    return select if experiment.is_constant else select_anew


def _source(experiment: ExperimentFunction) -> str:
    """Return the text of the function that a call of an experiment runs."""
    is_async = experiment.kind == "coroutine"
    is_stream = experiment.kind in ("generator", "async_generator")
    performs_async = experiment.kind in ("coroutine", "async_generator")
    slots = experiment.binder.slots
    words = {
        "define": "async def" if is_async else "def",
        "waits": "await " if is_async else "",
        "perform": f"{'await ' if is_async else ''}perform",
        "collects": experiment.collects,
        "by_class": _BY_CLASS if stands_in_class(experiment.function) else "",
        "takes_value": _takes_value_source(slots),
        "is_on": {None: '"mlflow" in modules', True: "True", False: "False"}[experiment.is_traced],
        "run": "arun" if is_async else "run",
        "stream": "astream" if performs_async else "stream",
        "exposed": "AsyncStreamExposure" if performs_async else "StreamExposure",
        "leave": "restore(token, outer)" if is_async else "leave(token)",
        "recover": "restore(token, outer)" if is_async else "enter(outer)",
    }
    assigns = experiment.split is not None
    parts = [_HEAD_ASSIGNED if assigns else _HEAD]
    exposed = _STREAM_EXPOSED if is_stream else _CALL_EXPOSED
    traced = _TRACED_STREAM if is_stream else _TRACED_EXPOSED if assigns else _TRACED
    called = _STREAM if is_stream else _AWAIT if is_async else _CALL
    after = [exposed, traced] if is_stream else [traced, exposed]
    kept = {traced: experiment.is_traced is not False, exposed: assigns}
    texts = [text.format(**words) for text in parts]
    if experiment.watch is not None:
        texts[0] = texts[0].replace("\n", "\n    called[0] = True\n", 1)
    texts.append(_fill_source(slots))
    texts += [text.format(**words) for text in after if kept[text]]
    texts.append(called.format(**words))
    return "".join(texts)


def _takes_value_source(slots: tuple[Slot, ...]) -> str:
    """Return an expression for whether a call leaves some parameter to the config; true where the config has none."""
    if any(slot.override or slot.is_positional_only for slot in slots):
        return "not is_fully_bound(args, kwargs)"
    return " or ".join(map(_is_missing_source, slots)) or "True"


def _is_missing_source(slot: Slot) -> str:
    is_missing = f"{slot.name!r} not in kwargs"
    if slot.index is None:
        return is_missing
    return f"{f'len(args) <= {slot.index}' if slot.index else 'not args'} and {is_missing}"


@functools.lru_cache(maxsize=256)
def _compiled(source: str) -> types.CodeType:
    """Compile a call as if it stood on one line, over which a debugger steps at once, and which tracebacks show."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.expr | ast.stmt | ast.excepthandler | ast.arg | ast.keyword):
            node.lineno = node.end_lineno = 1
            node.col_offset, node.end_col_offset = 0, len(_LINE)
    linecache.cache[FILENAME] = len(_LINE), None, [_LINE], FILENAME
    return compile(tree, FILENAME, "exec", dont_inherit=True)


def _fill_source(slots: tuple[Slot, ...]) -> str:
    if any(slot.override or slot.is_positional_only for slot in slots):
        return _FILL_ALL
    lines = ""
    for position, slot in enumerate(slots):
        template = _FILL_UNLESS_DEFAULT if slot.has_default else _FILL
        lines += template.format(is_missing=_is_missing_source(slot), name=slot.name, position=position)
    return lines

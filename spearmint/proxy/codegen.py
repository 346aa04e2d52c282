"""The function that a call of an experiment runs, written when the experiment is declared.

What a call does is known then, all but the values. So each experiment gets a function of its own, written for its
signature, as `dataclasses` writes an ``__init__``. Nothing on the way to the wrapped function is decided that could
have been decided before.
"""

import ast
import asyncio
import functools
import linecache  # noqa: TID251 - written, not read: what tracebacks show of generated code
import sys
import types
import weakref
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

from spearmint.context.current import experiment_case_var, step_caller_var
from spearmint.execution.batch import DeferredBatch
from spearmint.execution.call_metrics import call_meter
from spearmint.execution.otel_metrics import otel_metrics
from spearmint.execution.running import arun, restore, run
from spearmint.execution.score_jobs import item_log
from spearmint.execution.streams import astream, stream
from spearmint.execution.thread_driver import hand_over
from spearmint.frames import HIDDEN, on_one_line
from spearmint.online.exposures import exposures
from spearmint.online.scoring import output_scorer
from spearmint.online.stream_exposures import AsyncStreamExposure, StreamExposure
from spearmint.online.writer import records
from spearmint.planning.join import join
from spearmint.planning.select import select, select_anew, select_assigned
from spearmint.proxy.call_arguments import OMITTED, AnyArguments, arguments_of, keywords_given
from spearmint.proxy.call_source import call_source
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.plain_calls import plain_calls
from spearmint.tracing import recorder

FILENAME = f"<spearmint {HIDDEN}>"
"""The file name of all generated calls."""

_calls: "weakref.WeakSet[types.FunctionType]" = weakref.WeakSet()

_LINE = "return function(*args, **kwargs)  # by spearmint"


def compile_call(experiment: ExperimentFunction, perform: Callable[..., Any]) -> Callable[..., Any]:
    """Write the function that a call of an experiment runs; it hands calls with variants to ``perform``."""
    module = getattr(experiment.function, "__module__", None)
    namespace: dict[str, Any] = {
        # `sys._getframe(1)` of the function has this frame's globals: what is named there must be importable.
        "__name__": module if module in sys.modules else __name__,
        "__tracebackhide__": True,
        "OMITTED": OMITTED,
        "AsyncStreamExposure": AsyncStreamExposure,
        "StreamExposure": StreamExposure,
        "arun": arun,
        "batch_of": DeferredBatch,
        "astream": astream,
        "begin": recorder.begin_span,
        "cancellations": (asyncio.CancelledError, GeneratorExit),
        "called": experiment.watch and experiment.watch.called,
        "clock": perf_counter,
        "count": call_meter.record,
        "current": experiment_case_var.get,
        "end": recorder.end,
        "enter": experiment_case_var.set,
        "experiment": experiment,
        "expose": exposures.expose,
        "fill": experiment.binder.fill,
        "function": experiment.function,
        "keywords_given": keywords_given,
        "hand_over": hand_over,
        "is_fully_bound": experiment.binder.is_fully_bound_by_caller,
        "is_traced": recorder.is_traced,
        "item_log": item_log,
        "join": join,
        "leave": experiment_case_var.reset,
        "measure": exposures.measure,
        "partial": functools.partial,
        "records": records,
        "score": output_scorer.take,
        "perform": perform,
        "cached_case": experiment.state.cached_case,
        "cached_case_by_class": experiment.state.cached_case_by_class,
        "restore": restore,
        "run": run,
        "select": _selector(experiment),
        "step_caller": step_caller_var.get,
        "stream": stream,
    }
    arguments = arguments_of(experiment)
    code = code_of_call(experiment, arguments, is_metered=call_meter.is_on)
    call = types.FunctionType(code, namespace, argdefs=arguments.defaults)
    call.__kwdefaults__ = arguments.keyword_defaults
    recorder.watch(call)
    _calls.add(call)
    # A coroutine that is never awaited is warned of by this name.
    call.__name__ = experiment.function.__name__
    call.__qualname__ = experiment.function.__qualname__
    return call


def code_of_call(experiment: ExperimentFunction, arguments: AnyArguments, *, is_metered: bool) -> types.CodeType:
    """Return the code of the function that a call runs, with what counts executions or without."""
    module = _compiled(call_source(experiment, arguments, is_metered=is_metered))
    (code,) = (constant for constant in module.co_consts if isinstance(constant, types.CodeType))
    return arguments.named(code)


def set_metrics_options(changes: Mapping[str, Any]) -> None:
    """Set whether and how executions are counted; see `spearmint.configure`.

    While they are not, nothing of it is in the code of a call.

    Raises:
        ConfigError: If a name is unknown or a value is out of range.
    """
    was_on = call_meter.is_on
    call_meter.set_options(changes)
    if call_meter.is_on:
        plain_calls.end()
        otel_metrics.offer()
    if call_meter.is_on != was_on:
        for call in tuple(_calls):
            experiment = call.__globals__["experiment"]
            call.__code__ = code_of_call(experiment, arguments_of(experiment), is_metered=call_meter.is_on)


def _selector(experiment: ExperimentFunction) -> Callable[..., Any]:
    if experiment.unpinned.split is not None:
        return select_assigned
    return select if experiment.unpinned.is_constant else select_anew


@functools.lru_cache(maxsize=256)
def _compiled(source: str) -> types.CodeType:
    """Compile a call as if it stood on one line, over which a debugger steps at once, and which tracebacks show."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.expr | ast.stmt | ast.excepthandler | ast.arg | ast.keyword):
            node.lineno = node.end_lineno = 1
            node.col_offset, node.end_col_offset = 0, len(_LINE)
    linecache.cache[FILENAME] = len(_LINE), None, [_LINE], FILENAME
    return on_one_line(compile(tree, FILENAME, "exec", dont_inherit=True))

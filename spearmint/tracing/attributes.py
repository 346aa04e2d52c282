"""What a trace says of its spans: name, inputs by parameter, config, outcome; without secrets, within bounds."""

import inspect
import weakref
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from spearmint.cases.bound_config import BoundConfig
from spearmint.redaction import Redactor
from spearmint.registry.experiment import ExperimentFunction
from spearmint.signatures import parameters_of
from spearmint.tracing.marks import marks_of
from spearmint.tracing.options import TracingOptions
from spearmint.tracing.serialize import Loss, Renderer
from spearmint.tracing.snapshot import snapshot
from spearmint.tracing.span import ExceptionInfo, Span, Trace

_CONFIGS = 20
_PROBLEMS = {
    "cancelled": "it was cancelled, or its stream closed early",
    "timed_out": "it took longer than it may",
    "abandoned": "it was under way when the process ended",
    "unfinished": "what called it ended first",
}


@dataclass(frozen=True, slots=True)
class Description:
    """What a trace says of one span.

    Attributes:
        name: The function's name.
        inputs: From each parameter to what JSON can say of its argument.
        config: The config.
        status: How it ended.
        is_error: Whether that is otherwise than it should.
        has_output: Whether there is an output.
        output: What JSON can say of it.
        problem: Why there is no result; empty where there is.
        failure: Type, message and frames of what was raised, as OpenTelemetry names them.
        lost_inputs: In what way inputs are masked, cut, or there as text only; none of those that are as they were.
        lost_output: The same of the output.
    """

    name: str
    inputs: dict[str, Any]
    config: Any
    status: str
    is_error: bool
    has_output: bool
    output: Any
    problem: str
    failure: dict[str, str] | None
    lost_inputs: dict[str, Loss]
    lost_output: Loss | None


def describe(trace: Trace, options: TracingOptions) -> tuple[list[Description], dict[str, str]]:
    """Describe the spans of a trace, in their order, and tell what it can be searched by, as tags and as metadata."""
    renderer = Renderer(_redactor(options.mask), options.max_chars)
    described = _describe_all(trace, trace.spans, options, renderer)
    return described, marks_of(trace, renderer, options)


def describe_alone(span: Span, options: TracingOptions) -> tuple[Description, dict[str, str]]:
    """Describe one span on its caller's thread, where no code of the user's may run, such as a slow repr."""
    renderer = Renderer(_redactor(options.mask), options.max_chars, runs_code=False)
    (described,) = _describe_all(span.trace, [span], options, renderer)
    return described, marks_of(span.trace, renderer, options)


def _describe_all(trace: Trace, spans: list[Span], options: TracingOptions, renderer: Renderer) -> list[Description]:
    configs = [snapshot(span.option.config, options.max_chars, options.max_items)[0] for span in spans]
    inputs = [_by_parameter(span) for span in spans]
    # First all that is secret anywhere, so that no text of any span shows it.
    for known in (trace.attributes, *configs, *inputs):
        renderer.collect_secrets(known)
    for span in spans:
        renderer.collect_secrets(span.output)
        # A secret of another config may come along, as in what several variants share.
        for option in span.experiment.options[:_CONFIGS]:
            renderer.secrets |= _secrets_of(option, renderer, options.mask)
    return [
        _describe(renderer, span, config, named) for span, config, named in zip(spans, configs, inputs, strict=True)
    ]


def _describe(renderer: Renderer, span: Span, config: Any, inputs: dict[str, Any]) -> Description:
    output = span.output
    if span.items is not None:
        output = [*span.items, f"… ({span.more} more items)"] if span.more else span.items
    problem = "" if not span.is_error else _PROBLEMS.get(span.status, "")
    failure = None
    if span.failure is not None:
        failure = _failure(renderer, span.failure)
        problem = f"{failure['exception.type']}: {failure['exception.message']}"
    renderer.losses = {"cut"} if span.more else set()
    rendered_output = renderer.render(output)
    lost_output = renderer.take_loss()
    rendered_inputs, lost_inputs = renderer.render_items(inputs)
    return Description(
        name=display_name(span.experiment),
        inputs=rendered_inputs,
        config=renderer.render(config),
        status=span.status,
        is_error=span.is_error,
        has_output=span.status == "success" or bool(span.items),
        output=rendered_output,
        problem=problem,
        failure=failure,
        lost_inputs=lost_inputs,
        lost_output=lost_output,
    )


def attributes_of(span: Span, described: Description) -> dict[str, Any]:
    """Return the attributes that say what a span did, by MLflow's names where it has some."""
    found = {
        "mlflow.spanType": "CHAIN",
        "mlflow.spanFunctionName": described.name,
        "mlflow.spanInputs": described.inputs,
        "spearmint.config": described.config,
        "spearmint.config_id": span.option.config_id,
        "spearmint.experiment": span.experiment.name,
        "spearmint.role": span.trace.role,
        "spearmint.call_id": span.trace.call_id,
        "spearmint.status": described.status,
    }
    if described.has_output:
        found["mlflow.spanOutputs"] = described.output
    if span.parent is None:  # What rows of an evaluation are made of.
        found["spearmint.filled"] = [slot.name for slot in span.experiment.binder.slots]
        if described.lost_inputs or described.lost_output:
            found["spearmint.lost"] = {"inputs": described.lost_inputs, "output": described.lost_output}
    return found


def display_name(experiment: ExperimentFunction) -> str:
    """Return the name of an experiment's function, as far as it says something."""
    return experiment.name.partition(":")[2].rpartition("<locals>.")[2]


def _failure(renderer: Renderer, failure: ExceptionInfo) -> dict[str, str]:
    message = message_of(failure) if renderer.runs_code else _plain_message(failure)
    frames = "\n".join(f'  File "{file}", line {line}, in {name}' for file, line, name in failure.frames)
    kind = failure.kind.__qualname__
    if failure.kind.__module__ != "builtins":
        kind = f"{failure.kind.__module__}.{kind}"
    shown = renderer.text(message)
    trace = f"Traceback (most recent call last):\n{frames}\n{kind}: {shown}"
    return {"exception.type": kind, "exception.message": shown, "exception.stacktrace": trace}


def message_of(failure: ExceptionInfo) -> str:
    """Return the message of an exception, or its arguments where it gives none."""
    # The __str__ of the user's may want what the twin does not have, or raise.
    with suppress(BaseException):
        if failure.replica is not None:
            return str(failure.replica)
    with suppress(BaseException):
        return ", ".join(map(str, failure.args))
    return ""


def _plain_message(failure: ExceptionInfo) -> str:
    """Return the message of an exception as far as its arguments are text and numbers."""
    return ", ".join(str(one) for one in failure.args if type(one) in (str, int, float, bool))


def _by_parameter(span: Span) -> dict[str, Any]:
    """Return the arguments by the names of their parameters, without the instance that a method is called on."""
    if not isinstance(span.inputs, tuple):
        return {"arguments": span.inputs}
    args, kwargs = span.inputs
    return arguments_by_parameter(span.experiment, args, kwargs)


def arguments_by_parameter(experiment: ExperimentFunction, args: Any, kwargs: Any) -> dict[str, Any]:
    """Return arguments, of which snapshots may be parts, by the names of their parameters, without the instance."""
    names, variadic = _parameters(experiment)
    positional = list(args) if isinstance(args, tuple) else [args]
    found: dict[str, Any] = dict(zip(names, positional, strict=False))
    rest = positional[len(names) :]
    if rest:
        found[variadic or "args"] = rest
    found.update(kwargs if isinstance(kwargs, dict) else {"kwargs": kwargs})
    if names and names[0] in ("self", "cls"):
        found.pop(names[0], None)
    return found


_known_parameters: "weakref.WeakKeyDictionary[ExperimentFunction, tuple[list[str], str | None]]"
_known_parameters = weakref.WeakKeyDictionary()


def _parameters(experiment: ExperimentFunction) -> tuple[list[str], str | None]:
    """Return the names that positional arguments go to, and that of the parameter for all further ones."""
    found = _known_parameters.get(experiment)
    if found is None:
        parameters = parameters_of(experiment.function) or ()
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        variadic = next((one.name for one in parameters if one.kind is inspect.Parameter.VAR_POSITIONAL), None)
        found = _known_parameters[experiment] = [one.name for one in parameters if one.kind in kinds], variadic
    return found


_known_secrets: "weakref.WeakKeyDictionary[BoundConfig, tuple[Any, frozenset[str]]]" = weakref.WeakKeyDictionary()


def _secrets_of(option: BoundConfig, renderer: Renderer, mask: tuple[str, ...]) -> frozenset[str]:
    """Return what is secret in a config, which never changes: found once."""
    way = (mask, renderer.runs_code)
    known = _known_secrets.get(option)
    if known is None or known[0] != way:
        alone = Renderer(_redactor(mask), 0, runs_code=renderer.runs_code)
        alone.collect_secrets(option.config)
        known = _known_secrets[option] = way, frozenset(alone.secrets)
    return known[1]


@lru_cache(maxsize=8)
def _redactor(patterns: tuple[str, ...]) -> Redactor:
    return Redactor(patterns)

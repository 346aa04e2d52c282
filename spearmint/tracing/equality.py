"""Whether a variant's result equals main's."""

from typing import Any

from spearmint.tracing.span import ComparableResult, Compare, Trace


def compare_to_main(trace: Trace) -> str | None:
    """Tell whether a variant's result equals main's: ``"true"``, ``"false"`` or ``"error"``; None without both."""
    main = None if trace.main is None else trace.main.answer
    if main is None or trace.answer is None or trace.compare is None:
        return None
    if main.failure is not None or trace.answer.failure is not None:
        return _word(_same_failure(main, trace.answer))
    try:
        return _word(as_bool(trace.compare(main.value, trace.answer.value)))
    except BaseException:  # noqa: BLE001 - whatever a user's comparison does, the trace is written
        return "error"


def equal(main: Any, variant: Any) -> Any:
    """Compare as ``==`` does; tables by their own ``equals``, whose ``==`` refuses other shapes."""
    if type(main) is type(variant) and type(main).__module__.partition(".")[0] == "pandas":
        return main.equals(variant)
    return main == variant


def as_bool(found: Any) -> bool:
    """Return what a comparison says; of an array that every element is equal."""
    try:
        return bool(found)
    except ValueError:
        return bool(found.all())


def _same_failure(main: ComparableResult, variant: ComparableResult) -> bool:
    if main.failure is None or variant.failure is None:
        return False
    return main.failure.kind is variant.failure.kind and main.failure.args == variant.failure.args


def _word(is_equal: bool) -> str:  # noqa: FBT001 - it is the only thing said
    return "true" if is_equal else "false"


DEFAULT: Compare = equal

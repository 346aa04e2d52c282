"""The text of the function that a call of an experiment runs."""

import textwrap

from spearmint.config.binding import Slot
from spearmint.proxy.call_arguments import AnyArguments
from spearmint.registry.callables import stands_in_class
from spearmint.registry.experiment import ExperimentFunction

_HEAD = """\
{define} call({declared}):
    outer = case = current()
    if case is None:
        case = cached_case[0]
        if case is None{by_class}:
            case, plan = select(experiment, {positional})
            if {performs}:
                {packed}return {perform}(experiment, args, kwargs, (case, plan))
{shadow}    else:
        case = case.known.get(experiment) or join(case, experiment)
{shares}"""
# The head of an experiment whose strategy assigns units.
_HEAD_ASSIGNED = """\
{define} call({declared}):
    outer = case = current()
    if case is None:
        case, plan, assignment = select(experiment, {positional})
        if plan is not None or {collects}:
            {packed}return {perform}(experiment, args, kwargs, (case, plan))
    else:
        case = case.known.get(experiment) or join(case, experiment)
{shares}        assignment = case.assignment_of(experiment.canonical)
    is_exposed = assignment is not None and ({takes_value})
"""
# Of an experiment that an evaluation calls on the way.
_SHARES = """\
        if (call_step := step_caller()) is not None:
            {packed}return {waits}call_step(experiment, case, args, kwargs)
"""
_FILL = """\
    if {is_missing}:
        {target} = case.values[{position}]()
"""
_FILL_UNLESS_DEFAULT = """\
    if {is_missing} and (value := case.values[{position}]) is not None:
        {target} = value()
"""
_FILL_ALL = """\
    args, kwargs = fill(case.values, args, kwargs)
"""
# A function that lacks an argument says so itself.
_REFUSED = """\
    if {lacks_one}:
        {packed}return {waits}function(*args, **kwargs)
"""
# A signal handler may raise between any two bytecodes, so what was current is read first and set inside the `try`; and
# what restores it is repeated, should it be interrupted itself.
_CALL = """\
    try:
        try:
            token = enter(case)
            value = function({passed})
            leave(token)
            return value
        except BaseException:
            enter(outer)
            raise
    except BaseException:
        enter(outer)
        raise
"""
# Main of a call whose variants, which the caller does not wait for, start after it.
_SHADOW = """\
            if plan is not None:
                {packed}batch = batch_of(experiment, args, {own_kwargs}, (case, plan))
{fill}                try:
                    try:
                        token = enter(case)
                        value = function({passed})
                        leave(token)
                    except BaseException:
                        enter(outer)
                        raise
                except BaseException as error:
                    enter(outer)
                    hand_over(batch, error)
                    raise
                hand_over(batch)
                return value
"""
_SHADOWS = "({is_on} and is_traced(experiment)) or not plan.materialized or case.assignments or not ({takes_value})"
# The same, told as an exposure before it begins, and measured when it has ended.
_CALL_EXPOSED = """\
    if is_exposed and (exposure := expose(assignment, case)) is not None:
        token = failure = None
        has_value = False
        started = clock()
        try:
            try:
                token = enter(case)
                value = {waits}function({passed})
                {leave}
                has_value = True
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
            if has_value and {is_scored}:
                {packed}score(exposure, experiment, (experiment, args, kwargs), value)
            failure = None
"""
_AWAIT = """\
    token = None
    try:
        try:
            token = enter(case)
            value = await function({passed})
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
        {packed}span = begin(experiment, case, args, kwargs)
        try:
            try:
                value = {waits}{run}(case, span, function, args, kwargs)
            except BaseException as error:
                end(span, None, error)
                raise
            end(span, value)
            return value
        except BaseException as error:
            end(span, None, error)
            raise
"""
_TRACED_EXPOSED = """\
    if {is_on} and is_traced(experiment):
        {packed}span = begin(experiment, case, args, kwargs)
        exposure = expose(assignment, case, span) if is_exposed else None
        failure = None
        started = clock()
        try:
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
            if exposure is not None and {is_scored}:
                score(exposure, experiment, (experiment, args, kwargs), value)
            return value
        except BaseException as error:
            end(span, None, error)
            raise
"""
_TRACED_STREAM = """\
    if {is_on} and is_traced(experiment):
        begins = partial(begin, experiment, case, args, kwargs)
        return {stream}(function(*args, **kwargs), case, None, begins)
"""
# The rest of a call while executions are counted. No name of its frame holds an exception.
_COUNTED = """\
    status = "failed"
    begun = clock()
    try:
{rest}    except cancellations:
        status = "cancelled"
        raise
    finally:
        count(case, clock() - begun, status)
"""
_STREAM_EXPOSED = """\
    if is_exposed:
        begins = partial(begin, experiment, case, args, kwargs) if {is_on} and is_traced(experiment) else None
        told = {exposed}(assignment, case, begins, (experiment, args, kwargs))
        items = item_log() if {is_scored} else None
        return {stream}(function(*args, **kwargs), case, told, told.open, items)
"""


def call_source(experiment: ExperimentFunction, arguments: AnyArguments, *, is_metered: bool = False) -> str:
    """Return the text of the function that a call of an experiment runs.

    Args:
        experiment: The experiment.
        arguments: How the call takes arguments.
        is_metered: Whether it counts executions.
    """
    is_async = experiment.kind == "coroutine"
    is_stream = experiment.kind in ("generator", "async_generator")
    performs_async = experiment.kind in ("coroutine", "async_generator")
    slots = experiment.binder.slots
    words = {
        "define": "async def" if is_async else "def",
        "declared": arguments.declared,
        "passed": arguments.passed,
        "positional": arguments.positional,
        "packed": arguments.packed,
        "own_kwargs": "kwargs" if arguments.packed else "kwargs.copy()",
        "waits": "await " if is_async else "",
        "perform": f"{'await ' if is_async else ''}perform",
        "collects": experiment.collects,
        "by_class": arguments.by_class if stands_in_class(experiment.function) else "",
        "takes_value": _takes_value_source(slots, arguments),
        "is_on": {None: '"mlflow" in modules', True: "True", False: "False"}[experiment.is_traced],
        "run": "arun" if is_async else "run",
        "stream": "astream" if performs_async else "stream",
        "exposed": "AsyncStreamExposure" if performs_async else "StreamExposure",
        "leave": "restore(token, outer)" if is_async else "leave(token)",
        "recover": "restore(token, outer)" if is_async else "enter(outer)",
    }
    scorers = experiment.settings.scorers
    words["is_scored"] = "records.scorers" if scorers is None else str(bool(scorers))
    fill = _fill_source(slots, arguments)
    refuse = _REFUSED.format(lacks_one=arguments.lacks_one, **words) if arguments.lacks_one else ""
    words["performs"] = f"plan is not None or {experiment.collects}"
    words["shares"] = _SHARES.format(**words) if experiment.is_step else ""
    words["shadow"] = ""
    if _is_plain_shadow(experiment) and not is_metered:
        lacks_one = f" or {arguments.lacks_one}" if arguments.lacks_one else ""
        words["performs"] = f"plan is not None and ({_SHADOWS.format(**words)}{lacks_one})"
        words["shadow"] = _SHADOW.format(fill=textwrap.indent(fill, " " * 12), **words)
    assigns = experiment.unpinned.split is not None
    parts = [_HEAD_ASSIGNED if assigns else _HEAD]
    exposed = _STREAM_EXPOSED if is_stream else _CALL_EXPOSED
    traced = _TRACED_STREAM if is_stream else _TRACED_EXPOSED if assigns else _TRACED
    called = _STREAM if is_stream else _AWAIT if is_async else _CALL
    after = [exposed, traced] if is_stream else [traced, "{refuse}", exposed]
    kept = {traced: experiment.is_traced is not False, exposed: assigns}
    texts = [text.format(**words) for text in parts]
    if experiment.watch is not None:
        texts[0] = texts[0].replace("\n", "\n    called[0] = True\n", 1)
    texts.append(fill)
    after = [one for one in after if kept.get(one, True)]
    rest = "".join(text.format(refuse=refuse, **words) for text in (*after, called))
    if is_metered and not is_stream:  # A stream is counted by what hands it on, which knows when it ends.
        rest = textwrap.indent(rest.replace("return value", 'status = "success"; return value'), " " * 4)
        rest = _COUNTED.format(rest=rest)
    texts.append(rest)
    return "".join(texts)


def _is_plain_shadow(experiment: ExperimentFunction) -> bool:
    """Tell whether variants may start after main without what a `Call` does for them."""
    if experiment.kind != "function" or experiment.collects or experiment.settings.copy_args:
        return False
    return experiment.unpinned.start == "after_main"


def _takes_value_source(slots: tuple[Slot, ...], arguments: AnyArguments) -> str:
    """Return an expression for whether a call leaves some parameter to the config; true where the config has none."""
    if any(slot.override or slot.is_positional_only for slot in slots):
        return "not is_fully_bound(args, kwargs)"
    return " or ".join(map(arguments.is_missing, slots)) or "True"


def _fill_source(slots: tuple[Slot, ...], arguments: AnyArguments) -> str:
    if any(slot.override or slot.is_positional_only for slot in slots):
        return _FILL_ALL
    lines = ""
    for position, slot in enumerate(slots):
        template = _FILL_UNLESS_DEFAULT if slot.has_default else _FILL
        is_missing, target = arguments.is_missing(slot), arguments.target(slot)
        lines += template.format(is_missing=is_missing, target=target, position=position)
    return lines

"""What a trace is searched by, as tags and as metadata: its experiment, its configs, its context's attributes."""

import json
from hashlib import blake2b
from typing import Any

from spearmint.tracing.options import TracingOptions
from spearmint.tracing.serialize import Renderer
from spearmint.tracing.snapshot import snapshot
from spearmint.tracing.span import Trace

PREFIX = "spearmint."
CONFIG = f"{PREFIX}config."
ATTRIBUTE = f"{PREFIX}attribute."

# As MLflow cuts tags on their way to a server. Its databases refuse longer keys.
_LONGEST_KEY = 250
_LONGEST_VALUE = 4096
_LONGEST_PARAMETER = 200


def first_marks_of(trace: Trace) -> dict[str, str]:
    """Return what a trace can be searched by from its beginning."""
    root = trace.spans[0]
    return {
        "spearmint.config_id": root.option.config_id,
        "spearmint.experiment": root.experiment.name,
        "spearmint.role": trace.role,
        "spearmint.call_id": trace.call_id,
    }


def marks_of(trace: Trace, renderer: Renderer, options: TracingOptions) -> dict[str, str]:
    """Return all that a trace can be searched by, once it has ended: until then, experiments may join its case."""
    root, case = trace.spans[0], trace.case
    found = first_marks_of(trace)
    if case is not None:
        ids = {root.experiment.name: root.option.config_id, **case.config_ids}
        found["spearmint.case_id"] = case.case_id
        found["spearmint.config_ids"] = "+".join(ids.values())
        others = {name: config_id for name, config_id in ids.items() if name != root.experiment.name}
        found.update((f"{CONFIG}{name}", config_id) for name, config_id in others.items())
        if parameters := case.varying_parameters:
            kept, _ = snapshot(parameters, options.max_chars, options.max_items)
            renderer.collect_secrets(kept)
            found["spearmint.parameters"] = _joined(renderer.render(kept))
    if trace.attributes is not None:
        attributes = renderer.render(trace.attributes)
        found.update((f"{ATTRIBUTE}{name}", _text(value)) for name, value in attributes.items())
    return {_key(name): value[:_LONGEST_VALUE] for name, value in found.items()}


def _joined(parameters: dict[str, Any]) -> str:
    """Return parameters as JSON, long values cut, and as many as have room."""
    shown: dict[str, Any] = {}
    for count, (path, value) in enumerate(parameters.items()):
        text = _text(value)
        cut = value if len(text) <= _LONGEST_PARAMETER else f"{text[:_LONGEST_PARAMETER]}…"
        more = {**shown, path: cut}
        if len(_json(more)) > _LONGEST_VALUE - _LONGEST_PARAMETER:
            return _json({**shown, "…": f"{len(parameters) - count} more"})
        shown = more
    return _json(shown)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    if len(name) <= _LONGEST_KEY:
        return name
    digest = blake2b(name.encode(errors="replace"), digest_size=4).hexdigest()
    return f"{name[: _LONGEST_KEY - len(digest) - 1]}…{digest}"

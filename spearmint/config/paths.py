"""Dotted paths in configs: what stands at one."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from spearmint.config.model import ATOMS
from spearmint.redaction import may_be_secret, redactor
from spearmint.secret_forms import MASK


def look_up(config: Any, path: str) -> Any:
    """Return what stands at a path such as ``"llm.models.0.name"``.

    Args:
        config: A mapping, or anything with items, indexes or attributes below it.
        path: Keys joined with dots; empty for the config itself.

    Returns:
        The value.

    Raises:
        KeyError: If a step leads nowhere; its argument is a sentence with the keys that exist there.
    """
    here = config
    walked = ""
    for step in path.split(".") if path else ():
        try:
            here = _step(here, step)
        except (LookupError, AttributeError, TypeError, ValueError):
            raise KeyError(_missing(here, step, walked)) from None
        walked = f"{walked}.{step}" if walked else step
    return here


def _step(here: Any, step: str) -> Any:
    if isinstance(here, Mapping):
        if step in here or not step.lstrip("-").isdigit():
            return here[step]
        return here[int(step)]
    if isinstance(here, Sequence) and not isinstance(here, str | bytes):
        if not step.isdigit():
            raise KeyError(step)
        return here[int(step)]
    if type(here) in ATOMS:  # The methods of text and numbers are nothing that a config says.
        raise KeyError(step)
    return getattr(here, step)


def _missing(here: Any, step: str, walked: str) -> str:
    place = f"at {walked!r}" if walked else "at its top level"
    if isinstance(here, Mapping):
        keys = [str(key) for key in here]
        close = get_close_matches(step, keys, n=1)
        suggestion = f"; did you mean {close[0]!r}?" if close else ""
        return f"there is no {step!r} {place} (the keys there: {', '.join(map(repr, keys)) or 'none'}{suggestion})"
    if isinstance(here, Sequence) and not isinstance(here, str | bytes):
        indexes = f" (its indexes: 0 to {len(here) - 1})" if here else ""
        return f"there is no {step!r} {place}, a list of {len(here)}{indexes}"
    return f"there is no {step!r} {place}, which is {type(here).__qualname__} {shown_value(here, walked)}"


def shown_value(value: Any, path: str, secrets: Iterable[str] = ()) -> str:
    """Return the beginning of the repr of what stands at a path, without secrets, be it some that are known."""
    if redactor().is_secret(path) and may_be_secret(value):
        return MASK
    return redactor().hide(repr(redactor().redact(value, secrets)), secrets)[:80]

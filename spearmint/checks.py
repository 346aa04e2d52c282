"""What a setting of an experiment may be, and the error for one that it may not be."""

from collections.abc import Mapping
from typing import Any

from spearmint.errors import DeclarationError


def is_positive(value: Any, kind: Any) -> bool:
    """Tell whether a value is a number of a kind, above 0."""
    return isinstance(value, kind) and not isinstance(value, bool) and value > 0


def bad_setting(name: str, value: Any, wanted: str) -> DeclarationError:
    """Return the error for a setting that is out of range."""
    return DeclarationError(f"Cannot set {name!r} to {value!r}: it is of no use there. Give {wanted}.")


def check_tracing(tracing: Any) -> None:
    """Refuse what ``tracing`` of an experiment cannot be.

    Raises:
        DeclarationError: If it is neither a truth value, nor None, nor a mapping of what an experiment may say.
    """
    held = tracing if isinstance(tracing, Mapping) else {"enabled": tracing}
    if not set(held) <= {"enabled", "sample_rate"} or held.get("enabled") not in (True, False, None):
        wanted = "True, False, None, or a mapping with 'enabled' and 'sample_rate'; configure(tracing=...) has the rest"
        raise bad_setting("tracing", tracing, wanted)
    rate = held.get("sample_rate", 1)
    if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 <= rate <= 1:
        raise bad_setting("tracing", tracing, "a sample_rate from 0 to 1")

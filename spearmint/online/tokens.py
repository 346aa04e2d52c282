"""Tokens: text that carries a unit, and the trace of a call, to where its outcome becomes known."""

import base64
import binascii
import json


def token_of(unit: str | None, trace_id: str | None) -> str:
    """Return a token.

    Args:
        unit: The unit as records have it.
        trace_id: The trace of the call.
    """
    text = json.dumps([unit, trace_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_token(token: str) -> tuple[str | None, str | None]:
    """Return the unit and the trace that a token carries.

    Raises:
        ValueError: If it is no token of ours.
    """
    try:
        padded = token.encode() + b"=" * (-len(token) % 4)
        unit, trace_id = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError, AttributeError) as error:
        raise ValueError("it is no token that spearmint.token() gave") from error
    if not all(one is None or isinstance(one, str) for one in (unit, trace_id)):
        raise ValueError("it is no token that spearmint.token() gave")
    return unit, trace_id

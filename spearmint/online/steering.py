"""Hands splits with stages, guardrails or a bandit to what keeps them, as they are declared."""

from typing import Any


def keep_at_its_stage(split: Any) -> None:
    """Let what the journal says change the shares of a split, where it has stages, guardrails or a bandit.

    Args:
        split: What an experiment's ``split`` is; None for one that assigns no units.
    """
    if split is None or not split.is_steered:
        return
    # What decides brings scipy along, which other experiments need not.
    from spearmint.online.stages import keeper  # noqa: PLC0415

    keeper.watch(split)

"""Hands splits to what keeps them at what the state file says, as they are declared."""

from typing import Any


def keep_at_its_stage(split: Any) -> None:
    """Let what the state file says hold for a split: its switch, and its stages, guardrails or bandit if it has some.

    Args:
        split: What an experiment's ``split`` is; None for one that assigns no units.
    """
    if split is None:
        return
    # What looks at files is of no use to other experiments.
    from spearmint.online.stages import keeper  # noqa: PLC0415

    keeper.watch(split)

"""Pin experiments to a config in tests."""

from spearmint.testing.overrides import override

__all__ = ["override"]

"""The default of a parameter that a config fills: type checkers let a caller leave the parameter out."""

from typing import Any

from spearmint.errors import BindingError


class _Injected:
    """The class of `INJECTED`, which reaches a function only where nothing fills the parameter."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what copy, pickle and inspect ask every object for
            raise AttributeError(name)
        raise self._refusal(repr(name))

    def __getitem__(self, key: object) -> Any:
        raise self._refusal(repr(key))

    def __repr__(self) -> str:
        return "INJECTED"

    def __reduce__(self) -> str:
        return "INJECTED"

    @staticmethod
    def _refusal(what: str) -> BindingError:
        message = (
            f"Cannot read {what} of INJECTED: the function was called without a config, outside an experiment. "
            "Decorate it with @experiment(...), or pass the parameter."
        )
        return BindingError(message)


INJECTED: Any = _Injected()
"""The default of a parameter that a config fills: ``config: Config = INJECTED``.

Type checkers let a caller leave the parameter out. For Spearmint it is no default: where no config fills the parameter,
a call without it raises `spearmint.errors.BindingError`.
"""

"""A case on a thread that was started in it and does not keep it."""

from spearmint.cases.case import ExperimentCase


class DetachedCase(ExperimentCase):
    """A case on a thread that was started in it and does not keep it. Experiments that are called there are outside."""

    __slots__ = ()

    @classmethod
    def of(cls, case: ExperimentCase) -> "DetachedCase":
        """Return a case that tells the same, and that no experiment joins."""
        made = object.__new__(cls)
        # A read of a value finds none, and looks at the kind of the case.
        called = {one: option for one, option in case._options.items() if one.is_called}  # noqa: SLF001 - its base
        fields = case.plan, called, case.log, case.current
        made._set(*fields, option=case.option, parent=case.parent, assignments=case.assignments)
        made.known.clear()
        return made

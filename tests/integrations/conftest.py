"""The fixtures of the import hook's tests, which those of IPython's cells need too."""

from tests.instrument.conftest import project, run

__all__ = ["project", "run"]

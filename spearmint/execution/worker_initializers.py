"""What another process has to do before it runs work of this one, so that it imports the same."""

from collections.abc import Callable

worker_initializers: list[Callable[[], object]] = []
"""Called there, in this order, before anything of the user's is imported. They travel pickled."""

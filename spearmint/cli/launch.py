"""How a subcommand starts a program: once click is out of its way."""

from collections.abc import Callable


class Launch(Exception):  # noqa: N818 - it reports no error
    """Raised by a subcommand that starts a program, which then runs when click has finished and left nothing behind.

    Args:
        start: Runs the program.
    """

    def __init__(self, start: Callable[[], object]) -> None:
        super().__init__()
        self.start = start

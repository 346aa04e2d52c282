"""Where the cells of an evaluation run, from what the command line says."""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

import click

from spearmint.errors import EvaluationError


@contextmanager
def executor_of(processes: int | None, dask: str | None) -> Iterator[Executor | None]:
    """Give what an evaluation runs on: so many processes, the Dask cluster with a scheduler, or None for threads."""
    if processes is not None and dask is not None:
        raise click.UsageError("Give --processes or --dask, not both.")
    if processes is not None:
        from spearmint.evaluation.run.process_pool import RenewableProcessPool  # noqa: PLC0415

        with RenewableProcessPool(processes) as pool:
            yield pool
    elif dask is not None:
        try:
            from distributed import Client  # noqa: PLC0415 - an extra
        except ModuleNotFoundError as error:
            message = f"Cannot use --dask: {error}. Install it with: pip install 'spearmint-experiments[dask]'."
            raise EvaluationError(message) from error
        try:
            client: Any = Client(dask, timeout=10)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            message = f"Cannot reach a Dask scheduler at {dask!r}: {error}. Correct the address."
            raise EvaluationError(message) from error
        with client:
            yield client.get_executor()
    else:
        yield None

"""The search of `spearmint.Spearmint`: some of many configs are tried."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Protocol

from spearmint.config import Config, parse_configs
from spearmint.registry.settings import ExperimentSettings

if TYPE_CHECKING:  # scipy, which no call of an experiment needs, stands behind it
    from spearmint.evaluation.race import Race
    from spearmint.evaluation.search.result import SearchResult


class _Instance(Protocol):
    """What a search takes of the instance that it is called on."""

    _settings: ExperimentSettings

    @property
    def _configs(self) -> list[Config]: ...


class Searches:
    """What `spearmint.Spearmint` can search."""

    def search(
        self: _Instance,
        function: Callable[..., Any],
        data: Any,
        *,
        scorers: Any,
        trials: int = 200,
        race: "Race | None" = None,
        storage: str | os.PathLike[str] | None = None,
        configs: Any = None,
        metrics: Sequence[str] = (),
        lower: Sequence[str] = (),
        confirm: float = 0.3,
        seed: int = 0,
        repeats: int = 1,
        executor: Executor | None = None,
        resume: str | os.PathLike[str] | None = None,
        progress: bool = True,
        concurrency: int | None = None,
        timeout: float | None = None,
    ) -> "SearchResult":
        """Try some of many configs, those that promise most, and confirm the best on rows that took no part.

        What varies are the sweeps in the configs of the function and of every nested experiment: values as categories,
        numbers in their order, `spearmint.Range` continuously. Main is the first trial. Needs the extra ``search``.

        Args:
            function: An experiment, or a function, which becomes one of this instance.
            data: As for `evaluate`.
            scorers: As for `evaluate`.
            trials: How many cases are tried, those in the storage included.
            race: A `spearmint.Race`, in which the cases of each batch of 8 leave that fall behind the others, or behind
                the best so far; by default each runs on all rows that are not held out.
            storage: Path of an SQLite file, or URL of a storage of Optuna's, which its dashboard reads; a search goes
                on from there. Beside a file, ``<file>.cells.jsonl`` keeps every cell, so that none is run twice.
            configs: Any source that `spearmint.config.parse_configs` takes; by default the experiment's own.
            metrics: What is searched by, the first one first; by default all that the scorers give. Several give a
                Pareto front. One may be ``"latency"``.
            lower: The metrics of which less is better; of latency, cost and tokens it always is.
            confirm: Share of the rows that are held out: on them, the best alone is compared with main.
            seed: Of the order of the rows, and of all that is chosen by chance.
            repeats: How often each case runs on each row.
            executor: As for `evaluate`.
            resume: The file that keeps cells, where the storage is no file.
            progress: Whether to show progress of each batch.
            concurrency: Cells that run at once; by default one for each worker.
            timeout: Seconds that the function may take on one row, and each scorer; by default ``variant_timeout``.

        Returns:
            What was found.

        Raises:
            EvaluationError: If Optuna is not there, nothing varies, the storage holds another search, or as `evaluate`.
        """
        from spearmint.evaluation.run.options import EvaluationOptions  # noqa: PLC0415 - scipy takes a second to import
        from spearmint.evaluation.search.search import SearchOptions, search  # noqa: PLC0415

        options = EvaluationOptions(
            repeats=repeats,
            executor=executor,
            resume=resume,
            progress=progress,
            concurrency=concurrency,
            timeout=timeout,
            retry="none",
        )
        how = SearchOptions(
            trials=trials, race=race, storage=storage, metrics=metrics, lower=lower, confirm=confirm, seed=seed
        )
        own = None if configs is None else parse_configs(configs)
        return search(function, data, scorers, own, self._configs, settings=self._settings, options=options, how=how)

"""A search in a storage of Optuna's, which its dashboard reads."""

import logging
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spearmint.errors import EvaluationError
from spearmint.evaluation.search.space import Coordinates, SearchAxis, Space, label_of

_KEY = "spearmint"
_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Told:
    """What is kept of a trial.

    Attributes:
        number: Its number in the storage.
        choice: What was tried.
        case_id: The id of the case.
        scores: The mean of each metric; NaN for one without.
        noise: The variance of each of these means.
        rows: How many rows were run.
        is_dropped: Whether it has left the race of its batch.
    """

    number: int
    choice: Coordinates
    case_id: str
    scores: Sequence[float]
    noise: Sequence[float]
    rows: int
    is_dropped: bool

    @property
    def has_scores(self) -> bool:
        """Whether every metric has a mean."""
        return not any(map(math.isnan, self.scores))


class Study:
    """The trials of a search, in a storage of Optuna's.

    Args:
        storage: Path of an SQLite file, or URL of a storage; None keeps them in memory.
        name: The name of the function, which is the study's.
        space: What is searched.
        marks: By what a search is told from others: one of other code or rows is not gone on with.

    Raises:
        EvaluationError: If Optuna is not there, or the storage holds another search.
    """

    def __init__(self, storage: str | os.PathLike[str] | None, name: str, space: Space, marks: dict[str, Any]) -> None:
        self._optuna = optuna = _imported()
        self._space = space
        self._marks = marks
        self._names = [axis.name for axis in space.axes]
        self._distributions = {axis.name: _distribution(optuna, axis) for axis in space.axes}
        self._name = name
        self._storage = None if storage is None else url_of(storage)
        self._study: Any = None
        if self._storage is not None:
            self._open()

    @property
    def metrics(self) -> list[str]:
        """The metrics that are searched by; empty before the first trial."""
        return [] if self._study is None else list(self._study.user_attrs[_KEY]["metrics"])

    def begin(self, metrics: Sequence[str], directions: Sequence[str]) -> None:
        """Make the study, now that the metrics are known."""
        with _quiet():
            self._study = self._optuna.create_study(
                storage=self._storage, study_name=self._name, directions=list(directions)
            )
        self._study.set_user_attr(_KEY, {**self._marks, "metrics": list(metrics)})

    def told(self) -> list[Told]:
        """Return the trials that have ended."""
        if self._study is None:
            return []
        states = self._optuna.trial.TrialState
        ended = self._study.get_trials(deepcopy=False, states=(states.COMPLETE, states.PRUNED, states.FAIL))
        return [self._told(trial) for trial in ended if _KEY in trial.user_attrs]

    def interrupted(self) -> list[Coordinates]:
        """Return what was begun when an earlier process ended, and close it in the storage."""
        if self._study is None:
            return []
        states = self._optuna.trial.TrialState
        begun = self._study.get_trials(deepcopy=False, states=(states.RUNNING, states.WAITING))
        for trial in begun:
            if trial.state == states.WAITING:
                self._study.ask(self._distributions)
            self._study.tell(trial.number, state=states.FAIL)
        return [self._choice(trial.params) for trial in begun if set(trial.params) == set(self._names)]

    def ask(self, choice: Coordinates) -> Any:
        """Begin a trial."""
        self._study.enqueue_trial(self._params(choice))
        return self._study.ask(self._distributions)

    def tell(self, trial: Any, told: Told) -> None:
        """End a trial; one without scores has failed, and one that has left its race is pruned."""
        states = self._optuna.trial.TrialState
        numbers = {"scores": _finite(told.scores), "noise": _finite(told.noise), "rows": told.rows}
        trial.set_user_attr(_KEY, {**numbers, "case": told.case_id, "dropped": told.is_dropped})
        if not told.has_scores:
            self._study.tell(trial, state=states.FAIL)
        elif told.is_dropped:
            trial.report(told.scores[0], told.rows)
            self._study.tell(trial, state=states.PRUNED)
        else:
            self._study.tell(trial, list(told.scores))

    def _open(self) -> None:
        """Go on with the study of that name, where there is one."""
        try:
            self._study = self._optuna.load_study(storage=self._storage, study_name=self._name)
        except KeyError:
            return
        kept = self._study.user_attrs.get(_KEY)
        if kept is None or {name: kept.get(name) for name in self._marks} != self._marks:
            old = [name for name in self._marks if kept is None or kept.get(name) != self._marks[name]]
            cause = f"it holds a search with other {', '.join(old)}"
            raise EvaluationError(f"Cannot go on with the search in {self._storage!r}: {cause}. Give another storage.")

    def _told(self, trial: Any) -> Told:
        kept = trial.user_attrs[_KEY]
        scores, noise = ([math.nan if one is None else one for one in kept[name]] for name in ("scores", "noise"))
        choice = self._choice(trial.params)
        return Told(trial.number, choice, kept["case"], scores, noise, kept["rows"], kept["dropped"])

    def _params(self, choice: Coordinates) -> dict[str, Any]:
        return {axis.name: _said(axis, number) for axis, number in zip(self._space.axes, choice, strict=True)}

    def _choice(self, params: dict[str, Any]) -> Coordinates:
        return tuple(_chosen(axis, params[axis.name]) for axis in self._space.axes)


def url_of(storage: str | os.PathLike[str]) -> str:
    """Return the URL of a storage, of which a path is an SQLite file."""
    text = os.fspath(storage)
    return text if "://" in text else f"{_SQLITE}{Path(text)}"


def cells_beside(storage: str | os.PathLike[str]) -> Path | None:
    """Return the file beside a storage that cells are kept in; None where the storage is no file."""
    url = url_of(storage)
    return Path(f"{url.removeprefix(_SQLITE)}.cells.jsonl") if url.startswith(_SQLITE) else None


def _finite(numbers: Sequence[float]) -> list[float | None]:
    """Return numbers as JSON can say them."""
    return [None if math.isnan(one) else one for one in numbers]


def _imported() -> Any:
    try:
        import optuna  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        message = f"Cannot search: {error}. Install it with: pip install 'spearmint-experiments[search]'."
        raise EvaluationError(message) from error
    return optuna


@contextmanager
def _quiet() -> Iterator[None]:
    """Let Optuna tell nothing on standard error of a study that is made."""
    logger = logging.getLogger("optuna")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _distribution(optuna: Any, axis: SearchAxis) -> Any:
    kinds = optuna.distributions
    if axis.range is not None:
        return kinds.FloatDistribution(axis.range.low, axis.range.high, log=axis.range.log)
    step = _step(axis)
    if step is not None:
        return kinds.IntDistribution(axis.values[0], axis.values[-1], step=step)
    return kinds.CategoricalDistribution(_labels(axis))


def _step(axis: SearchAxis) -> int | None:
    """Return how far whole numbers stand apart, where all do equally."""
    if not axis.is_ordered or any(type(one) is not int for one in axis.values):
        return None
    steps = {after - before for before, after in zip(axis.values, axis.values[1:], strict=False)}
    return steps.pop() if len(steps) == 1 else None


def _labels(axis: SearchAxis) -> list[Any]:
    """Return what stands for values in the storage; texts where two of them would be taken for one."""
    labels = [label_of(value) for value in axis.values]
    return labels if len(set(labels)) == len(labels) else [repr(value) for value in axis.values]


def _said(axis: SearchAxis, number: float) -> Any:
    if axis.range is not None:
        return axis.range.at(number)
    return axis.values[int(number)] if _step(axis) is not None else _labels(axis)[int(number)]


def _chosen(axis: SearchAxis, said: Any) -> float:
    if axis.range is not None:
        return axis.range.share_of(said)
    known = list(axis.values) if _step(axis) is not None else _labels(axis)
    return float(known.index(said))

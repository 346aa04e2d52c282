"""One cell, a function under one case on one row: what is to be run, and what came of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from spearmint.evaluation.dataset import Row
from spearmint.evaluation.run.attempts import Limited
from spearmint.evaluation.run.row_arguments import Arguments
from spearmint.evaluation.run.stored_output import is_pickled, output_digest_of
from spearmint.evaluation.sharing.sharing import Sharing
from spearmint.evaluation.usage import CellUsage
from spearmint.registry.experiment import ExperimentFunction
from spearmint.scorers import Scorer

CellStatus = Literal["success", "failed", "timed_out", "lost"]


class CellResult(NamedTuple):
    """What came of a cell. It holds no object of the user's, so that it is sent and kept at little cost.

    Attributes:
        seconds: How long the function took.
        error: What the function raised, as text; None if it returned.
        scores: From each scorer that gave any to its metrics and their values.
        scorer_errors: From each scorer that raised to what it raised, as text.
        output: The beginning of the output's repr; None where it was not asked for.
        status: How the function ended; ``"lost"`` if its process died.
        stored: The output as `stored_output` writes it; None where it was not asked for, or cannot be stored.
        attempt: Which run of the cell this was, counted from 1.
        usage: The tokens that it took; None where nothing is known of any.
        calls: How often the function was called for it; 0 where its output had been stored.
        refusal: Why a service takes no more calls, so that the cell, or one of its scores, is left for another run;
            empty if it does.
        digest: What the output is recognised by, in hexadecimal digits; None where none is known.
    """

    seconds: float
    error: str | None
    scores: Mapping[str, Mapping[str, float]]
    scorer_errors: Mapping[str, str]
    output: str | None
    status: CellStatus = "success"
    stored: str | None = None
    attempt: int = 1
    usage: CellUsage | None = None
    calls: int = 1
    refusal: str = ""
    digest: str | None = None

    @property
    def output_digest(self) -> bytes | None:
        """What the output is recognised by; None for one that was not kept, or that JSON cannot say."""
        if self.digest is not None:
            return bytes.fromhex(self.digest)
        return None if self.stored is None or is_pickled(self.stored) else output_digest_of(self.stored)

    def has_score(self, scorer: str) -> bool:
        """Tell whether a scorer has been called, and has given a score or failed."""
        return scorer in self.scores or scorer in self.scorer_errors


class Cell(NamedTuple):
    """What is to be run.

    Attributes:
        case: Position of the case.
        row: The row.
        repeat: Which repetition, counted from 0.
        attempt: Which run of the cell this is, counted from 1.
        known: A result whose output is stored, and to which scores are to be added without calling the function.
        main: What came of main's cell in the same row and repetition, whose output a judge compares with that of
            ``known``; None where the cell is not there to be judged in pairs.
    """

    case: int
    row: Row
    repeat: int
    attempt: int = 1
    known: CellResult | None = None
    main: CellResult | None = None


@dataclass(frozen=True)
class Subject:
    """What is evaluated, and how.

    Attributes:
        experiment: The function as an experiment.
        arguments: How rows become its arguments.
        scorers: What scores its outputs.
        keeps_output: Whether results carry the beginning of outputs.
        stores_output: Whether they carry whole outputs, where these can be stored.
        timeout: Seconds that the function may take on a cell, and each scorer; None for no bound.
        usage: Tells the tokens that an output took; None to read spans and outputs.
        pickles: Whether outputs that JSON cannot say are pickled, and pickled ones read.
        is_called: Whether the function may be called; else stored outputs alone are scored.
        sharing: What cells of one row share; None if each runs alone.
        limited: How calls of the function are limited; None if they are not.
        limited_scorers: How calls of scorers are.
    """

    experiment: ExperimentFunction
    arguments: Arguments
    scorers: tuple[Scorer, ...]
    keeps_output: bool
    stores_output: bool = False
    timeout: float | None = None
    usage: Callable[[Any], Any] | None = None
    pickles: bool = False
    is_called: bool = True
    sharing: Sharing | None = None
    limited: Limited | None = None
    limited_scorers: Limited | None = None

    @cached_property
    def scorer_timeout(self) -> float | None:
        """Seconds that a scorer may take."""
        return self.timeout if self.limited_scorers is None else self.limited_scorers.limits.timeout

    @cached_property
    def of_outputs(self) -> tuple[Scorer, ...]:
        """The scorers that take one output."""
        return tuple(scorer for scorer in self.scorers if not scorer.is_pairwise)

    @cached_property
    def of_pairs(self) -> tuple[Scorer, ...]:
        """The scorers that compare outputs with main's."""
        return tuple(scorer for scorer in self.scorers if scorer.is_pairwise)

    @cached_property
    def pairwise(self) -> list[str]:
        """Their names."""
        return [scorer.name for scorer in self.of_pairs]

    @cached_property
    def wants_config(self) -> bool:
        """Whether a scorer takes the config."""
        return any("config" in scorer.wants for scorer in self.scorers)

    @cached_property
    def wants_trace(self) -> bool:
        """Whether a scorer takes the trace."""
        return any("trace" in scorer.wants for scorer in self.scorers)

"""Which settings find their way best in Python's own documentation? A search in three steps, swept with Spearmint."""

import argparse
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from corpus import load_documents
from evaluation import Score, rank_of, wins
from queries import KnownItem, hide_sentences, split
from retrieval import Bm25, Engine, Index, Question, tokenise
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from spearmint import INJECTED, Bind, ExperimentCase, RuntimeContext, Spearmint
from spearmint.errors import SpearmintError
from spearmint.strategies import MultiBranchStrategy

DEPTH = 10  # titles in a ranking


@dataclass(frozen=True, slots=True)
class Search:
    """A search under experiment, and its steps by name, each an experiment with configs of its own."""

    run: Callable[[str], Any]
    steps: Mapping[str, Callable[..., Any]]

    def settings(self, case: ExperimentCase) -> dict[str, Any]:
        """Return the whole assignment of a case: the configs of all steps, by path."""
        return flatten({name: case.get_config(step) for name, step in self.steps.items()})


def declare_search(indexes: Mapping[bool, Index], configs: Path) -> Search:
    """Return the search as an experiment: a call runs it under every combination of its steps' configs.

    The search names none of the steps. Spearmint finds them through the engine, and makes their options one plan.
    """
    mint = Spearmint(strategy=MultiBranchStrategy)

    @mint.experiment(configs=configs / "tokeniser.yaml")
    def tokeniser(query: str, stem: Annotated[bool, Bind("stem")] = INJECTED) -> Question:
        return Question(tuple(dict.fromkeys(tokenise(query, stem=stem))), stem)

    @mint.experiment(configs=configs / "scorer.yaml")
    def scorer(question: Question, bm25: Bm25 = INJECTED) -> dict[int, float]:
        return indexes[question.stem].scores(question.terms, bm25)

    @mint.experiment(configs=configs / "reranker.yaml")
    def reranker(
        question: Question, scores: Mapping[int, float], coverage: Annotated[float, Bind("coverage")] = INJECTED
    ) -> Mapping[int, float]:
        if not coverage:
            return scores
        index = indexes[question.stem]
        return {one: score * index.coverage(question.terms, one) ** coverage for one, score in scores.items()}

    engine = Engine(tokeniser, scorer, reranker, indexes[False].titles, DEPTH)

    @mint.experiment()
    def search(query: str) -> list[str]:
        return engine.search(query)

    return Search(search, {"tokeniser": tokeniser, "scorer": scorer, "reranker": reranker})


def sweep(search: Search, items: Iterable[KnownItem]) -> dict[ExperimentCase, Score]:
    """Run every query in every case; the default's score comes first."""
    scores: list[Score] = []
    cases: list[ExperimentCase] = []
    with Spearmint.run(search.run, await_variants=True) as runner:
        for item in items:
            executions = list(runner(item.query))
            if not scores:
                cases = [execution.experiment_case for execution in executions]
                scores = [Score(f"#{number}", search.settings(case)) for number, case in enumerate(cases)]
            for score, execution in zip(scores, executions, strict=True):
                if execution.status == "success":
                    score.ranks.append(rank_of(item.answer, execution.result))
                    score.seconds.append(execution.duration)
                else:
                    score.ranks.append(None)
                    score.errors.append(f"{execution.status}: {execution.exception!r}")
    return dict(zip(cases, scores, strict=True))


def replay(search: Search, case: ExperimentCase, items: Iterable[KnownItem], name: str) -> Score:
    """Run every query in one case."""
    score = Score(name, search.settings(case))
    with RuntimeContext(case):
        for item in items:
            started = time.perf_counter()
            score.ranks.append(rank_of(item.answer, search.run(item.query)))
            score.seconds.append(time.perf_counter() - started)
    return score


def make_table(scores: Sequence[Score], default: Score) -> Table:
    """Lay the scores out, a row for each case, with a column for each parameter of its steps."""
    parameters = list(dict.fromkeys(path for score in scores for path in score.settings))
    caption = (
        f"* default. MRR and hit@k look at the first {DEPTH} titles; a query that failed is a miss. All cases run at "
        "once, in threads: p95 holds waits for the GIL, and the default, which runs first, finds the caches cold."
    )
    table = Table(caption=caption, caption_justify="left", box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    table.add_column("case", no_wrap=True)
    for path in parameters:
        table.add_column(path.replace(".", "\n").replace("_", "\n"), justify="right", overflow="fold")
    for name in ("hit@1", "hit@10", "MRR", "p50\nms", "p95\nms", "errors"):
        table.add_column(name, justify="right", no_wrap=True)
    for score in scores:
        quality = (f"{score.hit(1):.3f}", f"{score.hit(DEPTH):.3f}", f"{score.mrr:.3f}")
        latency = (f"{score.latency(0.5):.2f}", f"{score.latency(0.95):.2f}")
        table.add_row(
            name_of(score, default),
            *(str(score.settings.get(path, "")) for path in parameters),
            *quality,
            *latency,
            str(len(score.errors)),
            style="bold" if score is default else None,
        )
    return table


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the config's values by path: ``{"a": {"b": 1}}`` gives ``{"a.b": 1}``."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def name_of(score: Score, default: Score) -> str:
    """Return a short name for a case, with a star for the default."""
    return score.name + (" *" if score is default else "")


def compare(default: Score, winner: Score) -> str:
    """Say in a line what became of the winner on queries that did not choose it."""
    asked = f"On {len(default.ranks)} held-out queries"
    if winner.name == default.name:
        return f"{asked}: the default is the winner, with MRR {default.mrr:.3f} and hit@10 {default.hit(DEPTH):.3f}"
    return (
        f"{asked}: default -> winner {winner.name}, MRR {default.mrr:.3f} -> {winner.mrr:.3f}, "
        f"hit@10 {default.hit(DEPTH):.3f} -> {winner.hit(DEPTH):.3f}; "
        f"ranked higher by the winner {wins(winner, default)}, by the default {wins(default, winner)}"
    )


def main() -> None:
    """Sweep on the tuning queries, then compare winner and default on the held-out ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=positive, default=500, metavar="N", help="tuning queries, and held-out ones")
    parser.add_argument("--configs", type=Path, default=Path(__file__).parent / "configs", metavar="FOLDER")
    parser.add_argument("--top", type=positive, metavar="K", help="show only the K best cases")
    options = parser.parse_args()
    console = Console(highlight=False, markup=False)

    documents, items = hide_sentences(load_documents())
    tuning, held_out = split(items, options.queries)
    indexes = {stem: Index.build(documents, stem=stem) for stem in (False, True)}
    console.print(f"{len(documents)} documents, {len(tuning)} tuning and {len(held_out)} held-out queries")

    def progress(some: Sequence[KnownItem], what: str) -> Iterable[KnownItem]:
        return track(some, what, console=console, transient=True, disable=not console.is_terminal)

    try:
        search = declare_search(indexes, options.configs)
    except SpearmintError as error:
        parser.error(str(error))
    scores = sweep(search, progress(tuning, "Tuning"))
    ranked = sorted(scores, key=lambda case: scores[case].mrr, reverse=True)
    default = next(iter(scores))
    console.print(make_table([scores[case] for case in ranked[: options.top]], scores[default]))
    for score in scores.values():
        if score.errors:
            told = f"{name_of(score, scores[default])} failed {len(score.errors)} times, first with {score.errors[0]}"
            console.print(told, soft_wrap=True)

    before, after = (replay(search, case, held_out, scores[case].name) for case in (default, ranked[0]))
    console.print(compare(before, after), soft_wrap=True)


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


if __name__ == "__main__":
    main()

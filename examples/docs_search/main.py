"""Which BM25 settings find their way best in Python's own documentation? A sweep with Spearmint."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from corpus import load_documents
from evaluation import Score, rank_of, wins
from queries import KnownItem, hide_sentences, split
from retrieval import Bm25, Index
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from spearmint import Bind, Spearmint
from spearmint.errors import SpearmintError
from spearmint.strategies import MultiBranchStrategy

DEPTH = 10  # titles in a ranking


def declare_search(indexes: Mapping[bool, Index], configs: Iterable[Any]) -> Callable[..., Any]:
    """Return the search as an experiment: a call runs it under every config."""
    mint = Spearmint(strategy=MultiBranchStrategy, configs=configs)

    @mint.experiment()
    def search(query: str, bm25: Annotated[Bm25, Bind("bm25")], stem: Annotated[bool, Bind("stem")]) -> list[str]:
        return indexes[stem].search(query, bm25, DEPTH)

    return search


def evaluate(search: Callable[..., Any], items: Iterable[KnownItem]) -> list[Score]:
    """Run every query under every config; the default config's score comes first."""
    scores: dict[str, Score] = {}
    with Spearmint.run(search, await_variants=True) as runner:
        for item in items:
            for outcome in runner(item.query):
                if outcome.config_id not in scores:
                    scores[outcome.config_id] = Score(outcome.config, outcome.config_id)
                score = scores[outcome.config_id]
                if outcome.status == "success":
                    score.ranks.append(rank_of(item.answer, outcome.result))
                    score.seconds.append(outcome.duration)
                else:
                    score.ranks.append(None)
                    score.errors.append(f"{outcome.status}: {outcome.exception!r}")
    return list(scores.values())


def make_table(scores: Sequence[Score], default: Score) -> Table:
    """Lay the scores out, a row each, with a column for each parameter of the configs."""
    parameters = list(dict.fromkeys(path for score in scores for path in flatten(score.config)))
    caption = (
        f"* default. MRR and hit@k look at the first {DEPTH} titles; a query that failed is a miss. All configs run at "
        "once, in threads: p95 holds waits for the GIL, and the default, which runs first, finds the caches cold."
    )
    table = Table(caption=caption, caption_justify="left", box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    table.add_column("config", no_wrap=True)
    for path in parameters:
        table.add_column(path.replace(".", "\n"), justify="right", overflow="fold")
    for name in ("hit@1", "hit@10", "MRR", "p50\nms", "p95\nms", "errors"):
        table.add_column(name, justify="right", no_wrap=True)
    for score in scores:
        settings = flatten(score.config)
        quality = (f"{score.hit(1):.3f}", f"{score.hit(DEPTH):.3f}", f"{score.mrr:.3f}")
        latency = (f"{score.latency(0.5):.2f}", f"{score.latency(0.95):.2f}")
        table.add_row(
            name_of(score, default),
            *(str(settings.get(path, "")) for path in parameters),
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
    """Return a short name for a config, with a star for the default."""
    return score.config_id[:8] + (" *" if score is default else "")


def compare(default: Score, winner: Score) -> str:
    """Say in a line what became of the winner on queries that did not choose it."""
    asked = f"On {len(default.ranks)} held-out queries"
    if winner is default:
        return f"{asked}: the default is the winner, with MRR {default.mrr:.3f} and hit@10 {default.hit(DEPTH):.3f}"
    return (
        f"{asked}: default -> winner {winner.config_id[:8]}, MRR {default.mrr:.3f} -> {winner.mrr:.3f}, "
        f"hit@10 {default.hit(DEPTH):.3f} -> {winner.hit(DEPTH):.3f}; "
        f"ranked higher by the winner {wins(winner, default)}, by the default {wins(default, winner)}"
    )


def main() -> None:
    """Sweep on the tuning queries, then compare winner and default on the held-out ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=positive, default=500, metavar="N", help="tuning queries, and held-out ones")
    parser.add_argument("--configs", type=Path, default=Path(__file__).parent / "configs" / "sweep.yaml")
    parser.add_argument("--top", type=positive, metavar="K", help="show only the K best configs")
    options = parser.parse_args()
    console = Console(highlight=False, markup=False)

    documents, items = hide_sentences(load_documents())
    tuning, held_out = split(items, options.queries)
    indexes = {stem: Index.build(documents, stem=stem) for stem in (False, True)}
    console.print(f"{len(documents)} documents, {len(tuning)} tuning and {len(held_out)} held-out queries")

    def progress(some: Sequence[KnownItem], what: str) -> Iterable[KnownItem]:
        return track(some, what, console=console, transient=True, disable=not console.is_terminal)

    try:
        search = declare_search(indexes, [options.configs])
    except SpearmintError as error:
        parser.error(str(error))
    scores = evaluate(search, progress(tuning, "Tuning"))
    ranked = sorted(scores, key=lambda score: score.mrr, reverse=True)
    default, winner = scores[0], ranked[0]
    console.print(make_table(ranked[: options.top], default))
    for score in ranked:
        if score.errors:
            told = f"{name_of(score, default)} failed {len(score.errors)} times, first with {score.errors[0]}"
            console.print(told, soft_wrap=True)

    finalists = {score.config_id: score.config for score in (default, winner)}
    finals = evaluate(declare_search(indexes, finalists.values()), progress(held_out, "Held out"))
    console.print(compare(finals[0], finals[-1]), soft_wrap=True)


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


if __name__ == "__main__":
    main()

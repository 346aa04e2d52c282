import contextlib
import importlib.util
import io
import math
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from spearmint import Config, Spearmint, experiment
from spearmint.config import parse_configs
from spearmint.strategies import MultiBranchStrategy

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "docs_search"
CONFIGS = EXAMPLE / "configs"

sys.path.insert(0, str(EXAMPLE))  # as `python main.py` does

from corpus import MODULES, Document, load_documents  # noqa: E402 - found through the line above
from evaluation import Score, rank_of, wins  # noqa: E402
from queries import FEWEST_WORDS, MOST_WORDS, KnownItem, hide_sentences, split  # noqa: E402
from retrieval import Bm25, Engine, Index, Question, best, singular, tokenise  # noqa: E402


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return load_documents()


@pytest.fixture(scope="module")
def hidden(documents) -> tuple[list[Document], list[KnownItem]]:
    return hide_sentences(documents)


@pytest.fixture(scope="module")
def main() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("docs_search_main", EXAMPLE / "main.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


# Corpus


def test_corpus_has_thousands_of_topics_and_docstrings(documents):
    titles = {document.title for document in documents}
    assert len(documents) > 3000
    assert {"NUMBERS", "numbers", "bisect.bisect_left", "collections.OrderedDict.move_to_end"} <= titles
    assert len(MODULES) == len(set(MODULES)) > 60


def test_titles_and_texts_are_unique_and_in_a_stable_order(documents):
    assert len({document.title for document in documents}) == len(documents)
    assert len({" ".join(re.findall(r"\w+", document.body.lower())) for document in documents}) == len(documents)
    assert load_documents() == documents


def test_gathering_the_corpus_prints_and_warns_of_nothing():
    code = "import corpus; corpus.load_documents()"
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=EXAMPLE, capture_output=True, text=True, timeout=60, check=True
    )
    assert (ran.stdout, ran.stderr) == ("", "")


# Tokeniser and stemmer


def test_words_are_lower_case_letters_and_digits():
    assert tokenise("OrderedDict.move_to_end(key, last=True) - naïve, 3.5!") == [
        *("ordereddict", "move", "to", "end", "key", "last", "true", "naïve", "3", "5")
    ]
    assert tokenise("--- ___ ...") == []


def test_stemming_a_text_stems_its_words():
    assert tokenise("Caches of os.path", stem=True) == ["cache", "of", "os", "path"]


@pytest.mark.parametrize(
    ("word", "stem"),
    [
        ("queries", "query"),
        ("files", "file"),
        ("values", "value"),
        ("returns", "return"),
        ("class", "class"),
        ("status", "status"),
        ("does", "does"),
        ("trees", "trees"),
        ("has", "has"),
        ("query", "query"),
    ],
)
def test_plural_endings_go_and_what_only_looks_like_one_stays(word, stem):
    assert singular(word) == stem


# BM25

SMALL = [Document("x", "a a b"), Document("y", "b c")]


def test_a_score_is_the_one_worked_out_by_hand():
    # N = 2, n = 1: idf = log(1 + 1.5 / 1.5) = 0.693147. Lengths 3 and 2, mean 2.5, count 2:
    # 0.693147 * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 2.5)) = 0.693147 * 4.4 / 3.38
    scores = Index.build(SMALL, stem=False).scores(["a"], Bm25(k1=1.2, b=0.75, title_boost=0))
    assert scores == pytest.approx({0: 0.902322}, abs=1e-6)


def test_boosted_title_counts_like_occurrences_in_the_body():
    index = Index.build([*SMALL, Document("b", "c c")], stem=False)
    # n = 3 of N = 3: idf = log(1 + 0.5 / 3.5) = 0.133531; with k1 = 1 and b = 0: 0.133531 * 2 * count / (count + 1)
    assert index.scores(["b"], Bm25(k1=1, b=0, title_boost=3)) == pytest.approx(
        {0: 0.133531, 1: 0.133531, 2: 0.200297}, abs=1e-6
    )
    assert best(index.scores(["b"], Bm25(k1=1, b=0, title_boost=3)), limit=2) == [2, 0]
    assert best(index.scores(["b"], Bm25(k1=1, b=0, title_boost=0)), limit=3) == [0, 1]


def test_stemming_lets_a_plural_find_the_singular():
    document = [Document("x", "one query"), Document("y", "another")]
    bm25 = Bm25(k1=1.2, b=0.75, title_boost=1)
    found = [Index.build(document, stem=stem).scores(tokenise("queries", stem=stem), bm25) for stem in (True, False)]
    assert [list(scores) for scores in found] == [[0], []]


def naive_score(documents, query, bm25, number):
    """BM25F as the paper writes it, with nothing computed ahead."""

    def length(document):
        return len(tokenise(document.body)) + bm25.title_boost * len(tokenise(document.title))

    average = sum(map(length, documents)) / len(documents)
    score = 0.0
    for term in set(tokenise(query)):
        containing = sum(term in tokenise(f"{one.title} {one.body}") for one in documents)
        idf = math.log(1 + (len(documents) - containing + 0.5) / (containing + 0.5))
        document = documents[number]
        count = tokenise(document.body).count(term) + bm25.title_boost * tokenise(document.title).count(term)
        if count:
            norm = 1 - bm25.b + bm25.b * length(document) / average
            score += idf * count * (bm25.k1 + 1) / (count + bm25.k1 * norm)
    return score


words = st.lists(st.sampled_from("abcde"), max_size=8).map(" ".join)
corpora = st.lists(st.tuples(words, words), min_size=1, max_size=6).map(
    lambda pairs: [Document(f"{title} t{number}", body) for number, (title, body) in enumerate(pairs)]
)
settings = st.builds(
    Bm25,
    k1=st.floats(0, 3),
    b=st.floats(0, 1),
    title_boost=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
)


@given(corpora, words, settings)
def test_scores_are_those_of_the_formula(documents, query, bm25):
    expected = {number: naive_score(documents, query, bm25, number) for number in range(len(documents))}
    scores = Index.build(documents, stem=False).scores([*dict.fromkeys(tokenise(query))], bm25)
    assert scores == pytest.approx({number: score for number, score in expected.items() if score})


@given(st.dictionaries(st.integers(0, 9), st.sampled_from([0.5, 1.0, 2.0])), st.integers(1, 8))
def test_the_best_are_sorted_by_score_then_position_and_cut(scores, limit):
    assert best(scores, limit) == sorted(scores, key=lambda number: (-scores[number], number))[:limit]


@given(corpora, words)
def test_coverage_is_the_share_of_terms_that_a_document_has(documents, query):
    index, terms = Index.build(documents, stem=False), [*dict.fromkeys(tokenise(query))]
    for number, document in enumerate(documents):
        present = set(tokenise(f"{document.title} {document.body}"))
        if terms:
            assert index.coverage(terms, number) == sum(term in present for term in terms) / len(terms)


def test_engine_works_without_spearmint_and_reranks_the_best():
    index = Index.build([Document(f"t{number}", "a " * (number + 1)) for number in range(9)], stem=False)
    reranked = []

    def rerank(question, scores):
        reranked.extend(scores)
        return {document: -score for document, score in scores.items()}

    engine = Engine(
        tokenise=lambda query: Question((query,), stem=False),
        score=lambda question: {number: float(number) for number in range(9)},
        rerank=rerank,
        titles=index.titles,
        depth=2,
    )
    assert engine.search("a") == ["t3", "t4"]
    assert reranked == [8, 7, 6, 5, 4, 3]


# Known items


def spelled(text: str) -> str:
    return f" {' '.join(tokenise(text))} "


def test_a_query_is_a_few_words_of_its_sentence(hidden):
    for item in hidden[1]:
        asked = item.query.split()
        assert FEWEST_WORDS <= len(asked) <= MOST_WORDS
        assert set(asked) <= set(tokenise(item.sentence))


def test_query_sentence_is_in_its_answer_and_in_no_indexed_text(documents, hidden):
    indexed, items = hidden
    whole = {document.title: spelled(document.body) for document in documents}
    left = "".join(spelled(document.body) for document in indexed)
    sample = items[:: max(1, len(items) // 40)]
    for item in sample:
        assert [title for title, body in whole.items() if spelled(item.sentence) in body] == [item.answer]
        assert spelled(item.sentence) not in left


def test_hiding_a_sentence_takes_away_its_words_and_no_others(documents, hidden):
    indexed, items = hidden
    sentences = {item.answer: item.sentence for item in items}
    assert [document.title for document in indexed] == [document.title for document in documents]
    for before, after in zip(documents, indexed, strict=True):
        removed = Counter(tokenise(sentences.get(before.title, "")))
        assert Counter(tokenise(before.body)) - removed == Counter(tokenise(after.body))


def test_each_answer_has_one_query(hidden):
    assert len({item.answer for item in hidden[1]}) == len(hidden[1]) > 500


def test_a_sentence_that_two_documents_share_is_not_asked():
    filler = "words " * 30
    shared = "Frobnicates quuxes beneath glistening waterfalls."
    indexed, items = hide_sentences(
        [
            Document("one", f"{shared} {filler}one."),
            Document("two", f"{filler}two. {shared}"),
            Document("three", f"Juggles lanterns above sleeping volcanoes. {filler}three."),
        ]
    )
    assert [(item.answer, item.query) for item in items] == [("three", "juggles lanterns above sleeping volcanoes")]
    assert shared in indexed[0].body
    assert "Juggles" not in indexed[2].body


def test_a_document_too_short_to_spare_a_sentence_keeps_it():
    indexed, items = hide_sentences([Document("one", "Juggles lanterns above sleeping volcanoes. Nothing more.")])
    assert items == []
    assert "Juggles lanterns above sleeping volcanoes." in indexed[0].body


def test_tuning_and_held_out_queries_are_disjoint_halves(hidden):
    items = hidden[1]
    tuning, held_out = split(items, len(items))
    assert {item.answer for item in tuning}.isdisjoint(item.answer for item in held_out)
    assert len(tuning) + len(held_out) == len(items)
    assert 0.4 < len(tuning) / len(items) < 0.6


def test_a_smaller_sample_is_the_beginning_of_a_larger_one(hidden):
    items = hidden[1]
    assert split(items, 5) == tuple(part[:5] for part in split(list(reversed(items)), 50))


# Scores


def test_hits_and_reciprocal_ranks_count_a_miss_as_zero():
    score = Score("#0", {}, ranks=[1, 2, None, 4])
    assert score.hit(1) == 0.25
    assert score.hit(3) == 0.5
    assert score.mrr == pytest.approx((1 + 1 / 2 + 0 + 1 / 4) / 4)
    assert Score("#0", {}).mrr == 0


def test_latency_is_the_nearest_rank_in_milliseconds():
    score = Score("#0", {}, seconds=[number / 1000 for number in range(100, 0, -1)])
    assert score.latency(0.5) == pytest.approx(50)
    assert score.latency(0.95) == pytest.approx(95)
    assert Score("#0", {}, seconds=[0.25]).latency(0.95) == 250
    assert math.isnan(Score("#0", {}).latency(0.5))


def test_rank_of_counts_from_one():
    assert rank_of("b", ["a", "b"]) == 2
    assert rank_of("c", ["a", "b"]) is None


def test_wins_compare_query_by_query_and_any_rank_beats_a_miss():
    one, other = Score("#1", {}, ranks=[1, 5, 3, None, None]), Score("#2", {}, ranks=[2, 4, None, 7, None])
    assert (wins(one, other), wins(other, one)) == (2, 2)


# The sweep


@pytest.fixture
def small_search(main):
    """A search over two documents, whose steps have the example's configs."""
    indexes = {stem: Index.build(SMALL, stem=stem) for stem in (False, True)}
    return main.declare_search(indexes, CONFIGS)


def test_steps_run_once_for_the_configs_of_a_query(small_search):
    rows = [{"query": query} for query in ("a", "a b", "c")]
    report = Spearmint().evaluate(small_search.run, rows, scorers={"size": len_of}, progress=False)
    account = report.results.account
    assert report.errors == 0
    assert account.calls == 3 * 36 * len(rows)
    # Of 108 calls for a query at least 52 are reused, but for those that a busy machine makes dear to share.
    assert account.reused > account.calls / 4
    assert "cannot be compared" not in str(account)


def len_of(outputs) -> int:
    return len(outputs)


def make_search(main, step):
    """A search of one step."""

    def run(query):
        return step(query)

    mint = Spearmint(strategy=MultiBranchStrategy)
    return main.Search(mint.experiment(run), {"step": step})


def test_search_is_one_plan_over_its_three_steps(small_search):
    with Spearmint.run(small_search.run) as runner:
        plan = runner("a").plan
    assert [(part.name.rpartition(".")[2], part.how, len(part.option_ids)) for part in plan.parts] == [
        ("search", "root", 0),
        ("tokeniser", "call", 2),
        ("scorer", "call", 9),
        ("reranker", "call", 2),
    ]
    assert [part.place.partition(",")[0] for part in plan.parts[1:]] == [
        "retrieval:Engine.search",
        "retrieval:Engine._reranked",
        "retrieval:Engine._reranked",
    ]


def test_a_score_tells_the_whole_assignment_of_its_case(main, small_search):
    scores = list(main.sweep(small_search, [KnownItem("a", "A.", "x")]).values())
    settings = [tuple(score.settings.values()) for score in scores]
    assert list(scores[0].settings) == [
        *("tokeniser.stem", "scorer.k1", "scorer.b", "scorer.title_boost", "reranker.coverage")
    ]
    assert settings[0] == (False, 1.2, 0.75, 1.0, 0.0)
    assert len(set(settings)) == len(settings) == 36
    assert [score.name for score in scores] == [f"#{number}" for number in range(36)]


def test_a_replay_runs_each_query_in_the_case_that_it_is_given(main, small_search):
    items = [KnownItem("b", "B.", "x"), KnownItem("c", "C.", "y")]
    scores = main.sweep(small_search, items)
    for case, score in list(scores.items())[::7]:
        again = main.replay(small_search, case, items, score.name)
        assert (again.ranks, again.settings, len(again.seconds)) == (score.ranks, score.settings, 2)


def test_a_case_that_fails_is_counted_and_counts_as_a_miss(main):
    @experiment(configs=[{"broken": False}, {"broken": True}], strategy=MultiBranchStrategy)
    def step(query: str, config: Config) -> list[str]:
        if config.broken:
            raise RuntimeError(query)
        return ["other", "answer"]

    good, bad = main.sweep(make_search(main, step), [KnownItem("words", "Words.", "answer")] * 3).values()

    assert (good.ranks, len(good.seconds), good.errors) == ([2, 2, 2], 3, [])
    assert (bad.ranks, bad.seconds) == ([None] * 3, [])
    assert bad.errors == ["failed: RuntimeError('words')"] * 3
    console = Console(file=io.StringIO(), width=80)
    console.print(main.make_table([good, bad], good))
    assert re.search(r"^#1 +True .* 3 *$", console.file.getvalue(), re.MULTILINE)


def test_a_default_that_fails_stops_nothing(main):
    @experiment(configs=[{"broken": True}, {"broken": False}], strategy=MultiBranchStrategy)
    def step(query: str, config: Config) -> list[str]:
        if config.broken:
            raise RuntimeError(query)
        return [query]

    default, other = main.sweep(make_search(main, step), [KnownItem("words", "Words.", "words")]).values()

    assert default.errors == ["failed: RuntimeError('words')"]
    assert (other.ranks, other.errors) == ([1], [])


def test_the_default_can_be_the_winner(main):
    score = Score("#0", {}, ranks=[1, None])
    assert main.compare(score, score) == (
        "On 2 held-out queries: the default is the winner, with MRR 0.500 and hit@10 0.500"
    )


@pytest.mark.parametrize(
    ("step", "text", "message"),
    [
        ("scorer", "k1: 1.2\nb: 3\ntitle_boost: 1", "less than or equal to 1"),
        ("tokeniser", "stemming: true", "stem"),
        ("reranker", "coverage: [", "reranker.yaml"),
    ],
)
def test_configs_that_cannot_be_run_are_reported_in_a_line(main, monkeypatch, tmp_path, *, step, text, message):
    for path in CONFIGS.iterdir():
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / f"{step}.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(main, "load_documents", lambda: SMALL)
    monkeypatch.setattr(sys, "argv", ["main.py", "--configs", str(tmp_path)])
    with contextlib.redirect_stderr(io.StringIO()) as stderr, pytest.raises(SystemExit, match="2"):
        main.main()
    assert message in stderr.getvalue()


def run_example(*options, cwd):
    return subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLE / "main.py"), *options],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )


def test_table_has_every_case_best_first_and_marks_the_default(tmp_path):
    ran = run_example("--queries", "10", cwd=tmp_path)

    assert (ran.returncode, ran.stderr) == (0, "")
    rows = [line.split() for line in ran.stdout.splitlines() if line.startswith("#")]
    sizes = [len(parse_configs([CONFIGS / f"{step}.yaml"])) for step in ("tokeniser", "scorer", "reranker")]
    assert sorted(int(row[0][1:]) for row in rows) == list(range(math.prod(sizes)))
    reciprocal_ranks = [float(row[-4]) for row in rows]
    assert reciprocal_ranks == sorted(reciprocal_ranks, reverse=True)
    assert reciprocal_ranks[0] > 0
    assert [row[:7] for row in rows if row[1] == "*"] == [["#0", "*", "False", "1.2", "0.75", "1.0", "0.0"]]
    assert {row[-1] for row in rows} == {"0"}
    assert "On 10 held-out queries: " in ran.stdout


def test_top_shows_only_the_best(main, documents, monkeypatch, capsys):
    monkeypatch.setattr(main, "load_documents", lambda: documents[:1000])
    monkeypatch.setattr(sys, "argv", ["main.py", "--queries", "2", "--top", "3"])
    main.main()
    assert len(re.findall(r"^#[0-9]+ ", capsys.readouterr().out, re.MULTILINE)) == 3


def test_the_search_is_evaluated_from_the_command_line(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    options = {"cwd": EXAMPLE, "env": environment, "encoding": "utf-8", "timeout": 100, "capture_output": True}
    queries = subprocess.run([sys.executable, "judged.py"], check=True, **options).stdout
    data = tmp_path / "queries.jsonl"
    data.write_text("".join(queries.splitlines(keepends=True)[:20]), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "spearmint",
        "evaluate",
        "judged:search",
        "--data",
        data,
        "--scorer",
        "judged:found",
    ]
    ran = subprocess.run(
        [*command, "--scorer", "judged:reciprocal_rank", "--report", tmp_path / "report.html"],
        check=True,
        **options,
    )
    assert "36 cases on 20 rows of queries.jsonl" in ran.stdout
    assert "coverage" in (tmp_path / "report.html").read_text(encoding="utf-8")

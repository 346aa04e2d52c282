"""Strategies for programs, as text: expressions, and statements with every way that control can take."""

from hypothesis import strategies as st

names = st.sampled_from("abcdef")
constants = st.sampled_from(["0", "1", "None", "''", "'s'", "()", "-1", "(1, 2)", "not 0", "__debug__", "f''"])


def form(pattern, *parts):
    """Fill a pattern with one example of each part."""
    return st.tuples(*parts).map(lambda values: pattern.format(*values))


def choices(inner):
    """Expressions that a running program of recorders can evaluate."""
    return st.one_of(
        form("({})()", inner),
        form("({})({}, {}, k={})", inner, inner, inner, inner),
        form("({}).{}", inner, st.sampled_from("xyz")),
        form("({} and {})", inner, inner),
        form("({} or {} or {})", inner, inner, inner),
        form("({} if {} else {})", inner, inner, inner),
        form("(not {})", inner),
        form("(p := {})", inner),
    )


def everything(inner):
    """Expressions of all sorts, which need not run."""
    return st.one_of(
        choices(inner),
        form("({})(*({}), **({}))", inner, inner, inner),
        form("({})({}, *({}), l={}, **({}))", inner, inner, inner, inner, inner),
        form("({} < {} < {})", inner, inner, inner),
        form("({} + {})", inner, inner),
        form("[{}, *({})]", inner, inner),
        form("{{{}: {}, **({})}}", inner, inner, inner),
        form("(lambda u=({}): {})", inner, inner),
        form("[{} for v in ({}) if {}]", inner, inner, inner),
        form("({} for v in ({}))", inner, inner),
        form("({})[{}]", inner, inner),
    )


runnable = st.recursive(names, choices, max_leaves=12)
expressions = st.recursive(names | constants, everything, max_leaves=8)


def indented(block):
    return block.map(lambda lines: [f" {line}" for line in lines])


def lines(*parts):
    """Put a statement together: text with `{}` for each expression that follows it, and blocks of lines."""
    return st.tuples(*parts).map(lambda found: [line for part in found for line in part])


def head(pattern, *parts):
    return form(pattern, *parts).map(lambda line: [line])


simple = st.one_of(
    head("({})", expressions),
    head("v = {}", expressions),
    head("assert {}, {}", expressions, expressions),
    head("raise {}", expressions),
    head("w: {} = {}", expressions, expressions),
    head("return {}", expressions),
    st.sampled_from([["pass"], ["break"], ["continue"], ["return"]]),
)


def compound(inner):
    """Statements around a block."""
    block = indented(inner)
    loop_else = st.just([]) | lines(st.just(["else:"]), block)
    return st.one_of(
        lines(inner, inner),
        lines(head("if {}:", expressions), block, head("elif {}:", expressions), block),
        lines(head("if {}:", expressions), block, st.just(["else:"]), block),
        lines(head("while {}:", expressions), block, loop_else),
        lines(head("for v in {}:", expressions), block, loop_else),
        lines(head("with ({}) as v:", expressions), block),
        # A guarded body without code of its own loses its handlers, in ways that differ from version to version.
        lines(st.just(["try:", " t()"]), block, head("except ({}):", expressions), block, loop_else),
        lines(st.just(["try:", " t()"]), block, st.just(["finally:"]), block),
        lines(
            head("match ({}):", expressions),
            head(" case 1 if {}:", expressions),
            indented(block),
            st.sampled_from([[" case _:"], [" case w if a:"], [" case [w, *_]:"]]),
            indented(block),
        ),
        lines(head("@({})", expressions), head("def g(x={}):", expressions), block),
        lines(head("class C({}):", expressions), block),
    )


statements = st.recursive(simple, compound, max_leaves=6)
programs = statements.map(lambda body: "\n".join(["async def f():", *(f" {line}" for line in body)]))

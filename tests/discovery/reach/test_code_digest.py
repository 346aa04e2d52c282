import sys
from textwrap import dedent

import pytest

from spearmint.discovery.reach.code_digest import digest_of

PAIRS = {
    "comprehension": (
        "return [Box().get() + i for i in range(x) if i > 1], 1",
        """
        '''Doc.'''
        return [
            Box().get() + i
            for i in range(x)
            if i > 1
        ], 1
        """,
    ),
    "class": (
        "class Box: k = 1\nreturn Box",
        """
        class Box:
            '''Doc.'''

            k = 1  # one

        return Box
        """,
    ),
    "loop": (
        "for i, j in zip(x, x):\n  print(i, j); y = z = i\nwith open(x) as g: return g, y, z",
        """
        for i, j in zip(
            x,
            x,
        ):
            print(
                i,
                j,
            )
            y = z = (
                i)
        with open(x) as g:
            # Read.
            return (
                g,
                y,
                z,
            )
        """,
    ),
    "handlers": (
        "try: g(x)\nexcept (E, F) as e: h(e)\nfinally: k()\nreturn {**x, 'a': 1}",
        """
        try:
            g(x)

        except (
            E,
            F,
        ) as e:
            h(e)

        finally:
            k()

        return {
            **x,
            'a': 1,
        }
        """,
    ),
}


def digest(body):
    lines = dedent(body).strip().splitlines()
    source = "\n".join(["def f(x):", *(f"    {line}" for line in lines)])
    (code,) = (one for one in compile(source, "f.py", "exec").co_consts if hasattr(one, "co_code"))
    return digest_of(code)


@pytest.mark.parametrize("name", PAIRS)
def test_layout_comments_and_docstrings_do_not_count(name):
    if name == "comprehension" and sys.version_info[:2] == (3, 12):
        pytest.skip("CPython 3.12 jumps otherwise in a comprehension that is split over lines")
    first, second = PAIRS[name]
    assert digest(first).form == digest(second).form


@pytest.mark.parametrize(
    ("body", "other"),
    [
        ("return 1", "return True"),
        ("return 1", "return 1.0"),
        ("return x in {1, 2}", "return x in {1, 3}"),
        ("return lambda y: 1", "return lambda y: 2"),
        ("return lambda y: 1", "return lambda *y: 1"),
        ("class Box: k = 1\nreturn Box", "class Box: k = 2\nreturn Box"),
        ("try: g()\nexcept E: h()", "g()\ntry: h()\nexcept E: h()"),
        ("while x: g()", "if x: g()"),
    ],
    ids=["bool", "float", "set", "lambda", "parameters", "class", "handlers", "jump"],
)
def test_what_the_code_does_counts(body, other):
    assert digest(body).form != digest(other).form


def test_what_a_body_changes_is_found():
    found = digest(
        """
        global a
        a = 1
        b.append(x)
        c[f(x)] = x
        d[x] += 1
        e.attribute = 1
        g.content.update(x)
        del h[x]
        return i, j[x]
        """
    )
    assert found.globals_changed == {"a", "b", "c", "d", "h"}
    assert found.attributes_changed == {"attribute", "content"}
    assert found.globals_read == {"b", "c", "d", "e", "f", "g", "h", "i", "j"}


def test_import_in_a_body_is_found():
    found = digest("import a.b\nfrom c import d as e\nfrom . import g\nreturn a, e, g")
    assert [(one.module, one.level, one.names) for one in found.imports] == [
        ("a.b", 0, ()),
        ("c", 0, ("d",)),
        ("", 1, ("g",)),
    ]

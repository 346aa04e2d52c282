"""Samples in the syntax of CPython 3.15: name, source, targets, references, chained calls."""

SAMPLES = [
    ("lazy imports", "lazy import m\nlazy from n import g as h\nm.f(); h()", {"<module>": "m.f h"}),
    ("unpacking in comprehensions", "x = [*a(y) for y in b()]; z = {**c(y) for y in d()}", {"<module>": "a b c d"}),
    ("unpacking in a generator expression", "def f(): return (*a(y) for y in b())", {"f": "a b"}),
    (
        "constants that the compiler shares",
        "def f():\n  g(None, '', True, False, -1)\n  return all(h(x) for x in y)",
        {"f": "all g h"},
    ),
    ("items and indices of loops", "async def f():\n  for x in a(): b(await c(x))\n  yield d()", {"f": "a b c d"}),
]

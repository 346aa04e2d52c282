"""Samples in the syntax of CPython 3.13: name, source, targets, references, chained calls."""

SAMPLES = [
    (
        "defaults of type parameters",
        "def f[T = a(), *U = b(), **P = c()](x): d()\nclass C[T: e() = g()]: pass",
        {"T": "a", "U": "b", "P": "c", "f": "d", "T#2": "e", "T#3": "g"},
    ),
]

"""Samples in the syntax of CPython 3.12: name, source, targets, references, chained calls."""

SAMPLES = [
    (
        "type parameters of a function",
        "@a\ndef f[T: b()](x=c()) -> None:\n  d()\n  return lambda: e()",
        {"<module>": "a c", "T": "b", "f": "d", "f.<locals>.<lambda>": "e"},
    ),
    (
        "type parameters of a class",
        "class C[T: (a(), b())](c(T), m=d(lambda: e())):\n  f()\n  def g[U](self): super().h(); U()",
        {"<module>": "c d", "T": "a b", "<lambda>": "e", "C": "f", "C.g": "super U"},
        {"<module>": "T"},
        {"C.g": "super().h"},
    ),
    (
        "type aliases are evaluated later",
        "type A = a(lambda: b())\ntype B[T: c()] = d(lambda: e())\ndef f():\n  type C = g()",
        {
            "A": "a",
            "A.<locals>.<lambda>": "b",
            "T": "c",
            "B": "d",
            "B.<locals>.<lambda>": "e",
            "f.<locals>.C": "g",
        },
    ),
    ("quotes in f-strings", 'f"{a(f"{b("c")}")}"', {"<module>": "a b"}),
]

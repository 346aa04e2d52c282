"""Samples in the syntax and for annotations of CPython 3.14: name, source, targets, references, chained; level."""

SAMPLES = [
    ("template strings", 't"{a():{b()}} {c}"', {"<module>": "a b"}),
    ("exceptions without parentheses", "try: a()\nexcept b, c: d()", {"<module>": "a d"}),
    (
        "annotations are evaluated later",
        "def f(x: a(), *y: b()) -> c(): d()\nclass C:\n  z: e()\n  def g(self, x: self.h()): pass",
        {"__annotate__": "a b c", "f": "d", "C.__annotate__": "e", "C.__annotate__#2": "self.h"},
    ),
    ("annotations of no name are not evaluated", "x.y: a() = b()\nz: c()", {"<module>": "b", "__annotate__": "c"}),
    ("a docstring that is left out is no first statement", '"""Doc."""\n\nz: a()', {"__annotate__": "a"}, {}, {}, 2),
]

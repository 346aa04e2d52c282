"""Small programs and what each scope of them calls."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module

from spearmint.discovery import calls_in_code, calls_in_source


@dataclass(frozen=True)
class Sample:
    """A program, and what is expected of it: targets, references and chained calls by scope."""

    name: str
    source: str
    targets: Mapping[str, str]
    references: Mapping[str, str] = field(default_factory=dict)
    chained: Mapping[str, str] = field(default_factory=dict)
    optimize: int = 0


def every() -> list[Sample]:
    """Give the samples of the running version."""
    newer = [f"samples_py3{minor}" for minor in (12, 13, 14, 15) if sys.version_info >= (3, minor)]
    modules = [import_module(f"tests.discovery.{name}") for name in newer]
    return [*SAMPLES, *(Sample(*sample) for module in modules for sample in module.SAMPLES)]


def problems(sample: Sample) -> Iterator[str]:
    """Compare what both extractors find with what is expected, and with each other."""
    from_source = calls_in_source(sample.source, "sample.py", optimize=sample.optimize)
    code = compile(sample.source, "sample.py", "exec", dont_inherit=True, optimize=sample.optimize)
    from_code = calls_in_code(code)
    if from_source != from_code:
        yield f"the ways differ: {from_source} from source, {from_code} from code"
    for way, tables in (("source", from_source), ("code", from_code)):
        for kind in ("targets", "references", "chained"):
            expected = {scope: set(names.split()) for scope, names in getattr(sample, kind).items() if names}
            found = {scope: set(getattr(table, kind)) for scope, table in tables.items() if getattr(table, kind)}
            if kind != "targets":
                found = {scope: names for scope, names in found.items() if scope in expected}
            if found != expected:
                yield f"{kind} from {way}: {found}, expected {expected}"


SAMPLES = [
    # What a target is
    Sample("a name", "f()", {"<module>": "f"}),
    Sample("a dotted chain", "a.b.c(1)", {"<module>": "a.b.c"}),
    Sample("nothing that is not rooted at a name", "x[0](); 'a'.join(y); (lambda: 1)()", {}),
    Sample("a function and a method", "def f(): g()\nclass C:\n  def m(self): self.n()", {"f": "g", "C.m": "self.n"}),
    Sample("keyword arguments", "f(a=1); o.f(a=1, b=2)", {"<module>": "f o.f"}),
    Sample("starred arguments", "f(*a); f(**k); o.f(1, *a, b=2, **k)", {"<module>": "f o.f"}),
    Sample("calls in arguments", "f(g(h()), k=i(j()))", {"<module>": "f g h i j"}),
    Sample(
        "a call on the result of a call",
        "f()(); f().a.b(); f().a().b()",
        {"<module>": "f"},
        chained={"<module>": "f() f().a f().a.b"},
    ),
    Sample(
        "a call through many lines", "(a\n .b()\n .c(d)\n .e())", {"<module>": "a.b"}, chained={"<module>": "a.b().c"}
    ),
    Sample(
        "calls in every statement",
        "del a()[b()]; c().d = e(); f().g += h()\nfor i().j in k(): pass",
        {"<module>": "a b c e f h i k"},
    ),
    Sample("calls in f-strings", "f'{a()!r:>{b()}}'", {"<module>": "a b"}),
    Sample(
        "imports keep the name they bind", "from m import f as g\nimport a.b as c\ng(); c.d()", {"<module>": "g c.d"}
    ),
    # Scopes
    Sample("lambdas in order", "f = lambda: a(); g = lambda: b()", {"<lambda>": "a", "<lambda>#2": "b"}),
    Sample("lambdas in lambdas", "lambda: (lambda: b())", {"<lambda>.<locals>.<lambda>": "b"}),
    Sample("class bodies", "class A(b(), m=c()):\n  d()\n  class E: f()", {"<module>": "b c", "A": "d", "A.E": "f"}),
    Sample("nested functions", "def f():\n  def g(): h()\n  g()", {"f": "g", "f.<locals>.g": "h"}),
    Sample(
        "comprehensions count for their owner",
        "def f(): return [a(x) for x in b() if c()], {d() for _ in e}, {g(): h() for _ in i()}, (j() for _ in k())",
        {"f": "a b c d e g h i j k".replace(" e ", " ")},
    ),
    Sample(
        "lambdas in comprehensions are their owner's",
        "def f(): return [lambda: a() for _ in b()]",
        {"f": "b", "f.<locals>.<lambda>": "a"},
    ),
    Sample(
        "comprehensions of a class body",
        "class C:\n  x = [a(y) for y in b()]\n  z = [lambda: c() for _ in d]",
        {"C": "a b", "C.<lambda>": "c"},
    ),
    Sample(
        "names that are defined twice",
        "if x:\n  def f(): a()\nelse:\n  def f(): b()\n"
        "class C:\n  @property\n  def p(self): c()\n  @p.setter\n  def p(self, v): d()",
        {"f": "a", "f#2": "b", "C": "property p.setter", "C.p": "c", "C.p#2": "d"},
    ),
    Sample(
        "what is declared global",
        "def f():\n  global g\n  def g(): a()\n  class C:\n    global D\n    class D: b()",
        {"g": "a", "D": "b"},
    ),
    Sample(
        "defaults belong to the owner",
        "def f(a=g(), *, b=h()): i()\nlambda x=j(): k()",
        {"<module>": "g h j", "f": "i", "<lambda>": "k"},
    ),
    Sample(
        "a lambda in a finally is one lambda",
        "def f():\n  try: return a()\n  finally: b(lambda: c())",
        {"f": "a b", "f.<locals>.<lambda>": "c"},
    ),
    Sample(
        "generators and coroutines",
        "async def f():\n  async with a() as b:\n    async for c in d(): await e()\n"
        "  return [await g() async for h in i()]\ndef j(): yield from k((yield l()))",
        {"f": "a d e g i", "j": "k l"},
    ),
    # Decorators, super, private names
    Sample("decorators", "@a\n@b.c\n@d(e)\ndef f(): pass\n@g\nclass C: pass", {"<module>": "a b.c d g"}),
    Sample(
        "decorators that are chosen",
        "@(a if x else b)\n@c().d\ndef f(): pass",
        {"<module>": "a b c"},
        chained={"<module>": "c().d"},
    ),
    Sample(
        "super",
        "class C:\n  def f(self): super().f(1); super(C, self).g(); super().x.y()",
        {"C.f": "super"},
        chained={"C.f": "super().f super().g super().x.y"},
    ),
    Sample("super without a method", "class C:\n  def f(self): return super().x, super()", {"C.f": "super"}),
    Sample(
        "private names",
        "class _C:\n  def f(self): self.__p.__q(); __r(); __d__(); g(__s)\n  class __:\n    def h(self): self.__p()",
        {"_C.f": "self._C__p._C__q _C__r __d__ g", "_C.__.h": "self.__p"},
        references={"_C.f": "_C__s"},
    ),
    # Candidates
    Sample("a choice", "(a if x else b)(); (c if x else d).e()", {"<module>": "a b c.e d.e"}),
    Sample("and, or", "(a or b)(); (c and d)(); (e or f.g or h)()", {"<module>": "a b c d e f.g h"}),
    Sample("a choice that is made", "(a if 1 else b)(); (0 or c)(); (d or 1)()", {"<module>": "a c d"}),
    Sample("walrus", "(f := g)(); (h := i).j(); (k := l())()", {"<module>": "g i.j l"}),
    # References
    Sample(
        "functions that are passed on",
        "map(f, xs); pool.submit(g, x); sorted(xs, key=h); functools.partial(i.j, 1)",
        {"<module>": "map pool.submit sorted functools.partial"},
        references={"<module>": "f xs g x h i.j"},
    ),
    Sample("references by a choice", "a(b if x else c, d or e)", {"<module>": "a"}, references={"<module>": "b c d e"}),
    Sample(
        "references in written-out containers",
        "a([b, (c, *[d])], {e: f}, *[g], **{'k': h})",
        {"<module>": "a"},
        references={"<module>": "b c d e f g h"},
    ),
    Sample("what is unpacked is no reference", "a(*b, **c)", {"<module>": "a"}),
    Sample("results and operands are no references", "a(b(), c + d, e[f], not g, [h for h in i])", {"<module>": "a b"}),
    Sample("references beside an unnamed callee", "x[0](f)", {}, references={"<module>": "f"}),
    Sample("an assertion's message is none", "assert a, b", {}),
    # What never runs
    Sample("annotations of local variables", "def f():\n  x: a() = b()\n  y: c()\n  d().z: e() = 1", {"f": "b d"}),
    Sample(
        "annotations under the future import",
        "from __future__ import annotations\nx: a() = b()\ndef f(y: c()) -> d(): pass",
        {"<module>": "b"},
    ),
    Sample("behind a return", "def f():\n  if a(): return b()\n  else: raise c()\n  d()", {"f": "a b c"}),
    Sample(
        "behind a loop that is not left", "def f():\n  while True:\n    a()\n    continue\n    b()\n  c()", {"f": "a"}
    ),
    Sample("behind a loop that is left", "def f():\n  while 1:\n    if a(): break\n  else: b()\n  c()", {"f": "a c"}),
    Sample("behind with, which may swallow", "def f():\n  with a(): return\n  b()", {"f": "a b"}),
    Sample(
        "behind try",
        "def f():\n  try: return a()\n  except b(): raise\n  else: c()\n  finally: d()\n  e()",
        {"f": "a b d"},
    ),
    Sample(
        "a break that finally takes over",
        "def f():\n  while 1:\n    try:\n      a()\n      break\n    finally: return\n  b()",
        {"f": "a"},
    ),
    Sample(
        "behind match",
        "def f(x):\n  match a(x):\n    case 1 if b(): return\n    case _: return c()\n  d()",
        {"f": "a b c"},
    ),
    Sample(
        "under a constant",
        "if 0: a()\nelif __debug__: b()\nelse: c()\nif not 0 and d(): e()\n"
        "0 and f(); 1 or g(); h() if 0 else i()\n[j() for k in l() if 0]",
        {"<module>": "b d e i l"},
    ),
    Sample("functions that are not made", "if 0:\n  def f(): a()\n  class C: b()\ndef f(): c()", {"f": "c"}),
    Sample("assert", "assert a(), b()\nassert 1, c()\ndef f():\n  assert 0, d()\n  e()", {"<module>": "a b", "f": "d"}),
    Sample("assert under -O", "assert a(), b()\nif __debug__: c()\nelse: d()", {"<module>": "d"}, optimize=1),
    Sample(
        "a guarded body without code",
        "def f():\n  try: pass\n  except a(): b()\n  try: assert c\n  except d(): e()",
        {},
        optimize=1,
    ),
]

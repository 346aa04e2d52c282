"""Whether popular packages do under the hook what they do without: each smoke runs both ways, and prints the same.

There are two ways of being under the hook: every module of the package rewritten and its calls collected; and, beyond
what anybody would do, every function at the top of its modules made an experiment. Arguments choose packages.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DEADLINE_SECONDS = 300

SMOKES = {
    "attrs": """
        import attr, attrs

        @attrs.define
        class Point:
            x: int
            y: int = attrs.field(default=2, validator=attrs.validators.instance_of(int))

        print(Point(1), attrs.asdict(Point(3, 4)), attr.evolve(Point(1), y=9))
    """,
    "click": """
        import click
        from click.testing import CliRunner

        @click.command()
        @click.option("--count", default=2, type=click.IntRange(1, 5))
        @click.argument("name")
        def hello(count, name):
            click.echo(f"Hello {name} " * count)

        print(CliRunner().invoke(hello, ["--count", "3", "Ann"]).output, CliRunner().invoke(hello, ["--help"]).output)
    """,
    "fastapi": """
        from fastapi import Depends, FastAPI
        from pydantic import BaseModel

        class Item(BaseModel):
            name: str
            price: float = 1.0

        app = FastAPI()

        @app.post("/items/{number}")
        async def create(number: int, item: Item, extra: str = "none") -> dict:
            return {"number": number, "item": item.model_dump(), "extra": extra}

        print(sorted(app.openapi()["paths"]), app.openapi()["components"]["schemas"].keys())
    """,
    "httpx": """
        import httpx

        transport = httpx.MockTransport(lambda request: httpx.Response(200, json={"at": str(request.url)}))
        client = httpx.Client(transport=transport)
        print(client.get("http://example.org/a", params={"b": "1"}).json(), httpx.URL("http://a/b?c=d").params)
    """,
    "jinja2": """
        import jinja2

        environment = jinja2.Environment(autoescape=True)
        text = "{% for x in xs if x %}{{ loop.index }}:{{ x|upper }} {% endfor %}{{ 1/3|round(2) }}"
        print(environment.from_string(text).render(xs=["a", "", "<b>"]))
    """,
    "networkx": """
        import networkx

        graph = networkx.karate_club_graph()
        print(networkx.shortest_path(graph, 0, 33), networkx.number_connected_components(graph))
        print(networkx.transitivity(graph))
        print(sorted(networkx.minimum_spanning_tree(graph).edges())[:5])
    """,
    "numpy": """
        import numpy
        from numpy import linalg, ma

        a = numpy.arange(12.0).reshape(3, 4)
        print(a @ a.T, linalg.norm(a), ma.masked_greater(a, 5).sum())
        print(numpy.percentile(a, [5, 95]), numpy.einsum("ij->j", a))
    """,
    "pandas": """
        import pandas

        days = pandas.date_range("2024-01-01", periods=3)
        frame = pandas.DataFrame({"a": [1, 2, 2], "b": ["x", "y", "x"], "t": days})
        print(frame.groupby("b")["a"].agg(["sum", "mean"]), frame.pivot_table(index="a", columns="b", aggfunc="size"))
        print(frame.describe(), frame.to_json())
    """,
    "pydantic": """
        from typing import Annotated, Generic, TypeVar
        from pydantic import BaseModel, Field, TypeAdapter, ValidationError, field_validator

        T = TypeVar("T")

        class Box(BaseModel, Generic[T]):
            value: T
            size: Annotated[int, Field(gt=0)] = 1

            @field_validator("size")
            @classmethod
            def even(cls, size):
                return size * 2

        print(Box[int](value="3"), TypeAdapter(list[Box[str]]).json_schema()["items"])
        try:
            Box[int](value="x", size=0)
        except ValidationError as error:
            print(error.errors(include_url=False))
    """,
    "requests": """
        import requests

        request = requests.Request("GET", "http://example.org/x", params={"a": ["1", "2"]}, auth=("u", "p")).prepare()
        print(request.url, sorted(request.headers.items()), requests.codes.not_found)
    """,
    "rich": """
        import io
        from rich.console import Console
        from rich.markdown import Markdown
        from rich.table import Table
        from rich.tree import Tree

        console = Console(file=io.StringIO(), width=60)
        table = Table("name", "value", title="Things")
        table.add_row("[bold]a[/]", "1")
        tree = Tree("root")
        tree.add("leaf")
        console.print(table, tree, Markdown("# Title\\n\\n* one\\n* two"), {"a": [1, 2]})
        print(console.file.getvalue())
    """,
    "sklearn": """
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import cross_val_score
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.datasets import make_classification

        xs, ys = make_classification(n_samples=60, random_state=0)
        pipeline = make_pipeline(StandardScaler(), LogisticRegression())
        print(cross_val_score(pipeline, xs, ys, cv=3).round(3), pipeline)
    """,
    "sqlalchemy": """
        import sqlalchemy
        from sqlalchemy import orm

        class Base(orm.DeclarativeBase):
            pass

        class User(Base):
            __tablename__ = "users"
            id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
            name: orm.Mapped[str]
            orders: orm.Mapped[list["Order"]] = orm.relationship(back_populates="user")

        class Order(Base):
            __tablename__ = "orders"
            id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
            user_id: orm.Mapped[int] = orm.mapped_column(sqlalchemy.ForeignKey("users.id"))
            user: orm.Mapped[User] = orm.relationship(back_populates="orders")

        engine = sqlalchemy.create_engine("sqlite://")
        Base.metadata.create_all(engine)
        with orm.Session(engine) as session:
            session.add(User(name="ann", orders=[Order(), Order()]))
            session.commit()
            found = session.scalars(sqlalchemy.select(User).options(orm.selectinload(User.orders))).one()
            print(found.name, len(found.orders), sqlalchemy.select(User).where(User.id > 1))
    """,
    "sympy": """
        import sympy

        x, y = sympy.symbols("x y")
        print(sympy.integrate(sympy.exp(-x**2) * x, x), sympy.solve(x**2 - 2, x), sympy.series(sympy.sin(x), x, 0, 6))
        print(sympy.simplify((x**2 - y**2) / (x - y)), sympy.Matrix([[1, 2], [3, 4]]).eigenvals())
        print(sympy.latex(sympy.sqrt(x)))
    """,
}

PLAIN_FUNCTIONS_ONLY = {"numpy": "it hands its functions to C code that takes nothing but plain functions"}

PROGRAM = """
import json, sys, textwrap, warnings
settings, smoke = json.loads(sys.argv[1])
if settings is not None:
    import spearmint
    handle = spearmint.install(settings)
exec(compile(textwrap.dedent(smoke), "smoke", "exec", dont_inherit=True), {"__name__": "__main__"})
if settings is not None:
    root = settings["packages"][0]
    loaders = [type(one.__loader__).__name__ for name, one in sys.modules.items() if name.partition(".")[0] == root]
    ours = [name for name in loaders if "Instrumented" in name]
    # Spearmint itself stands on some packages, whose modules were there before.
    assert len(ours) > 3 or root in ("pydantic", "wrapt"), f"only {len(ours)} modules of {root} are instrumented"
"""


def rewritten(package: str) -> dict[str, object]:
    """Return settings under which every module of a package is rewritten."""
    return {"packages": [package]}


def wrapped(package: str) -> dict[str, object]:
    """Return settings under which every function at the top of a package's modules is an experiment."""
    experiment = {"target": f"{package}.*:*"}
    return {"packages": [package], "experiments": [experiment]}


def run(package: str, settings: object, cache: Path) -> "subprocess.CompletedProcess[str]":
    """Run a package's smoke in a fresh process; ``settings`` is None for no hook."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(cache), "PYTHONHASHSEED": "0"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, json.dumps([settings, SMOKES[package]])],
        cwd=cache,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


def main() -> int:
    """Print a line for each package; return 1 when one differs."""
    differs = 0
    with tempfile.TemporaryDirectory() as name:
        for package in sys.argv[1:] or SMOKES:
            plain = run(package, None, Path(name))
            if plain.returncode:
                print(f"{package:12} cannot run here: {plain.stderr.splitlines()[-1]}")
                continue
            for way in (rewritten, wrapped):
                if way is wrapped and package in PLAIN_FUNCTIONS_ONLY:
                    print(f"{package:12} {way.__name__:10} left out: {PLAIN_FUNCTIONS_ONLY[package]}")
                    continue
                for temperature in ("cold", "warm"):
                    start = time.perf_counter()
                    ours = run(package, way(package.replace("attrs", "attr")), Path(name))
                    is_same = (ours.stdout, ours.returncode) == (plain.stdout, 0)
                    differs += not is_same
                    verdict = "same" if is_same else f"DIFFERS\n{ours.stdout[:500]}\n{ours.stderr[-3000:]}"
                    print(
                        f"{package:12} {way.__name__:10} {temperature}  {time.perf_counter() - start:5.1f} s  {verdict}"
                    )
    return 1 if differs else 0


if __name__ == "__main__":
    sys.exit(main())

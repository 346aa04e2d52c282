"""``spearmint graph``: what an experiment reaches, and how that was found."""

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spearmint.cli.output import examples, fail
from spearmint.cli.targets import import_target, use_settings
from spearmint.import_path import import_object

if TYPE_CHECKING:
    from spearmint.cli.graph_render import Drawing


@click.command(
    "graph",
    epilog=examples(
        "spearmint graph shop.pipeline:answer",
        "spearmint graph shop.rank:Ranker.score --format mermaid > graph.mmd",
        "spearmint graph shop.pipeline:answer --format dot | dot -Tsvg -o graph.svg",
    ),
)
@click.argument("target")
@click.option(
    "--format",
    "form",
    type=click.Choice(["tree", "mermaid", "dot", "json"]),
    default="tree",
    show_default=True,
    help="Output.",
)
@click.option("--config", type=click.Path(path_type=Path), help="Settings file, found as for `spearmint run`.")
def graph_command(target: str, form: str, config: Path | None) -> None:
    """Draw which functions TARGET reaches, and which of them are experiments.

    TARGET is "module:function" or "module:Class.method". Its module is imported, under the settings if there are some.
    Each edge tells how it was found: whether the code calls the function or passes it as an argument, by which name, in
    which line, and whether that was read from the call table that the import hook left, or from bytecode. Values
    under experiment are drawn as read. What lies in a dict or comes out of a call is seen only when it runs, and is not
    drawn.
    """
    # Opening the rest takes a while, which --help need not.
    from spearmint.discovery.cpython import is_supported, unknown_python  # noqa: PLC0415

    if not is_supported():
        raise fail(f"Cannot tell what {target!r} reaches on {unknown_python()}. Draw it under one of these.", 1)
    use_settings(config)
    drawing = draw_target(target, import_target(target, "draw"))
    forms = {"tree": drawing.tree, "mermaid": drawing.mermaid, "dot": drawing.dot, "json": drawing.json}
    click.echo(forms[form]())


def draw_target(target: str, function: Any) -> "Drawing":
    """Draw what the function of a target reaches, which may be a method."""
    from spearmint.cli.graph_render import draw  # noqa: PLC0415 - takes a while

    path, _, last = target.rpartition(".")
    owner = import_object(path) if ":" in path else None
    is_method = isinstance(owner, type) and inspect.isfunction(inspect.getattr_static(owner, last))
    return draw(function, owner if is_method else None)

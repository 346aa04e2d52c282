"""``spearmint assign``: which arm units belong to, and why."""

import json
from pathlib import Path
from typing import Any

import click

from spearmint.cli.output import examples, fail
from spearmint.cli.targets import import_target, use_settings


@click.command(
    "assign",
    epilog=examples(
        "spearmint assign shop.pages:checkout ann bob",
        "spearmint assign shop.pages:checkout ann --attribute country=DE --attribute age=18",
        "spearmint assign shop.pages:checkout ann --format json",
    ),
)
@click.argument("target")
@click.argument("units", nargs=-1, required=True, metavar="UNIT...")
@click.option("--attribute", "attributes", multiple=True, metavar="NAME=VALUE", help="What targeting rules read.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Output."
)
@click.option("--config", type=click.Path(path_type=Path), help="Settings file, found as for `spearmint run`.")
def assign_command(
    target: str, units: tuple[str, ...], attributes: tuple[str, ...], form: str, config: Path | None
) -> None:
    """Tell the arm of each UNIT in the experiment TARGET, and, step by step, why.

    TARGET is "module:function" or "module:Class.method". Its module is imported, under the settings if there are some;
    the function is not called, and exposes none of the units. The value of an attribute is read as JSON where it is
    some, as text otherwise.
    """
    given = dict(map(_attribute, attributes))
    split = _split_of(target, config)
    answers = []
    for unit in units:
        around = {**given, split.options.unit: unit}
        assignment, steps = split.assign(around), split.explain(around)
        answers.append(
            {
                "unit": unit,
                "config_id": assignment.config.config_id,
                "reason": assignment.reason,
                "version": split.version,
                "steps": [step.text for step in steps],
            }
        )
    if form == "json":
        click.echo(json.dumps(answers, indent=2, ensure_ascii=False))
        return
    for answer in answers:
        click.echo(f"{answer['unit']}: {answer['config_id']} ({answer['reason']})")
        for text in answer["steps"]:
            click.echo(f"  {text}")


def _attribute(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise fail(f"Cannot read the attribute {text!r}: it has no name and value. Write NAME=VALUE.", 2)
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _split_of(target: str, config: Path | None) -> Any:
    """Return the split of an experiment."""
    # Opening the rest takes a while, which --help need not.
    from spearmint.proxy.proxy import experiment_of  # noqa: PLC0415
    from spearmint.registry.forced import forced_by_environment  # noqa: PLC0415
    from spearmint.registry.switches import switches  # noqa: PLC0415

    use_settings(config)
    experiment = experiment_of(import_target(target, "assign for"))[0]
    split = experiment.split
    forced = forced_by_environment.id_of(experiment)
    if split is None and forced is not None:
        raise fail(f"SPEARMINT_FORCE gives every unit the config {forced!r} of {experiment.name}.", 1)
    if split is None and (experiment.is_pinned or not switches.is_on(experiment.name)):
        raise fail(f"{experiment.name} is switched off: every unit has the first config.", 1)
    if split is None:
        cause = "its strategy assigns no units. Give it strategy='split'"
        raise fail(f"Cannot assign for {target!r}: {cause}.", 1)
    return split

"""``spearmint stage``: at which stage experiments are, or off, and what a person decides about that."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click

from spearmint.cli.journal_folder import journal_folder
from spearmint.cli.output import examples, fail
from spearmint.online.rollout import Rollout
from spearmint.online.state_file import Rollouts, SharedState, StateFile, latest_rollout
from spearmint.online.switch_rules import off_rule
from spearmint.suggest import did_you_mean

_ACTIONS = ("show", "approve", "next", "rollback", "restart", "off", "on")


@click.command(
    "stage",
    epilog=examples(
        "spearmint stage show",
        "spearmint stage approve shop.pages:checkout",
        "spearmint stage next shop.pages:checkout",
        "spearmint stage rollback shop.pages:checkout --because 'complaints'",
        "spearmint stage restart shop.pages:checkout",
        "spearmint stage off 'shop.pages:*' --because 'complaints'",
        "spearmint stage on 'shop.pages:*'",
    ),
)
@click.argument("action", type=click.Choice(_ACTIONS))
@click.argument("target", required=False)
@click.option("--because", metavar="TEXT", help="Why; it is kept with the state.")
@click.option("--journal", type=click.Path(path_type=Path), help="Folder of the journal; by default the settings'.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file, found as for `spearmint run`.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Of what is shown."
)
def stage_command(
    *, action: str, target: str | None, because: str | None, journal: Path | None, config: Path | None, form: str
) -> None:
    """Show the stages of experiments, or decide about those of TARGET; switch experiments off, with or without stages.

    TARGET is the name of an experiment, "module:function", or for `show`, `rollback`, `off` and `on` a glob. Running
    processes follow within two seconds.

    `show` tells the stages, and what each waits for. `approve` is what `approve: true` waits for. `next` ends the stage
    at once, whatever it waits for. `rollback` gives every unit the first config. `restart` begins at the first stage
    anew, and leaves aside what has been recorded so far. `off` is the kill switch of any experiment that splits units:
    first config, no variants, no exposures, until `on`; a stage waits meanwhile.
    """
    file = StateFile(journal_folder(journal, config))
    if action == "show":
        _show(file.read_state(), target, form)
        return
    if target is None:
        raise fail(f"Cannot {action} without a target. Write 'spearmint stage {action} module:function'.", 2)
    if action in ("off", "on"):
        file.switch(target, is_on=action == "on", why=because or "by hand")
        click.echo(f"{target} is {action}; processes that write to this journal follow within two seconds.")
        return
    told = f" ({because})" if because else ""
    edits: dict[str, Callable[[Rollout], Rollout]] = {
        "approve": lambda rollout: rollout.approved(),
        "next": lambda rollout: rollout.advanced(f"ended by hand{told}"),
        "rollback": lambda rollout: rollout.rolled_back(because or "by hand"),
        "restart": lambda rollout: rollout.restarted(),
    }
    is_pattern = action == "rollback"
    file.change(lambda before: _edited(before, target, edits[action], is_pattern=is_pattern))
    _show(file.read_state(), target, form)


def _edited(before: Rollouts, target: str, edit: Callable[[Rollout], Rollout], *, is_pattern: bool) -> Rollouts:
    """Return rollouts with those of a target edited: a roll-back of all versions, all else of the one begun last."""
    names = _matching(before, target, is_pattern=is_pattern)
    after = dict(before)
    for key, rollout in before.items():
        if rollout.name in names and (is_pattern or rollout is latest_rollout(before, rollout.name)):
            after[key] = edit(rollout)
            if after[key] is rollout and not is_pattern:
                state = rollout.label or rollout.status
                raise fail(f"Cannot do that to {target!r}: it is at {state}. See 'spearmint stage show'.", 1)
    return after


def _matching(rollouts: Rollouts, target: str, *, is_pattern: bool) -> set[str]:
    known = sorted({one.name for one in rollouts.values()})
    found = {name for name in known if name == target or (is_pattern and fnmatchcase(name, target))}
    if not found:
        cause = "no process has begun such an experiment yet" if not known else f"there are {', '.join(known)}"
        raise fail(f"Cannot find {target!r} in the state of stages: {cause}.{did_you_mean(target, known)}", 1)
    return found


def _show(state: SharedState, target: str | None, form: str) -> None:
    rollouts = state.rollouts
    rules = [
        rule for rule in state.switches if target is None or rule.covers(target) or fnmatchcase(rule.target, target)
    ]
    names = _matching(rollouts, target or "*", is_pattern=True) if rollouts or (target and not rules) else set()
    shown = [one for one in (latest_rollout(rollouts, name) for name in sorted(names)) if one is not None]
    if form == "json":
        click.echo(json.dumps([_told(one, state) for one in shown], indent=2, ensure_ascii=False))
        return
    for rule in rules:
        click.echo(f"{rule.target}: switched {'on' if rule.is_on else 'off'} at {_when(rule.time)}: {rule.why}")
    if not shown and not rules:
        click.echo("No experiment with stages, guardrails or a bandit has begun.")
    for rollout in shown:
        off = off_rule(state.switches, rollout.name)
        label = rollout.label or rollout.status
        click.echo(f"{rollout.name} (version {rollout.version}): {label}{', switched off' if off else ''}")
        for position, stage in enumerate(rollout.stages):
            is_here = position == rollout.stage and rollout.status != "rolled_back"
            click.echo(f"  {'>' if is_here else ' '} {position + 1}. {stage}")
        if rollout.waits_for:
            click.echo(f"  waits for {rollout.waits_for}")
        if rollout.weights is not None:
            pairs = zip(rollout.arms, rollout.weights, strict=True)
            click.echo(f"  weights: {', '.join(f'{arm} {weight:.3f}' for arm, weight in pairs)}")
        click.echo(f"  {rollout.units:,} units exposed")
        for when, text in rollout.events[-5:]:
            click.echo(f"  {_when(when)} {text}")


def _when(time: int) -> str:
    return f"{datetime.fromtimestamp(time / 1e9, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _told(rollout: Rollout, state: SharedState) -> dict[str, Any]:
    traffic, shadow = rollout.shares
    off = off_rule(state.switches, rollout.name)
    return {**rollout.as_mapping(), "traffic": traffic, "shadow": shadow, "off": off.why if off else None}

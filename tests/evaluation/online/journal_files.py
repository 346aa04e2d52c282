"""Journals of experiments that never ran: records as processes write them, of units that a test makes up."""

import json

EXPERIMENT = "shop.rank:score"
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def exposure(unit, arm, at, *, experiment=EXPERIMENT, version="v1", main="control", share=0.5):
    return {
        "type": "exposure",
        "time": START + int(at * SECOND),
        "feature_flag.key": experiment,
        "feature_flag.result.variant": arm,
        "feature_flag.version": version,
        "feature_flag.result.reason": "split",
        "feature_flag.context.id": unit,
        "spearmint.main": main,
        "spearmint.propensity": share,
    }


def outcome(unit, name, value, at):
    record = {"type": "outcome", "time": START + int(at * SECOND), "name": name, "value": float(value)}
    return record | {"feature_flag.context.id": unit}


def mean_of_calls(unit, arm, name, value, *, count, at):
    arm_of = {"feature_flag.key": EXPERIMENT, "feature_flag.result.variant": arm, "feature_flag.version": "v1"}
    return outcome(unit, name, value, at) | {"count": count} | arm_of


def account(process, at=10_000, **counts):
    zeros = dict.fromkeys(("written", "repeated", "dropped", "failed", "pending", "missing_unit", "lines"), 0)
    told = {"type": "account", "time": START + int(at * SECOND), "process": process, "is_last": True}
    return told | zeros | counts


def write(folder, records, process="host-1-a", number=0):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{process}.{number:04}.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def write_arms(folder, values, *, name="purchase", process="host-1-a", share=None):
    """Write a unit for each value of each arm, alternating, a second apart; the outcome comes half a second later."""
    records = []
    position = 0
    for turn in range(max(map(len, values.values()))):
        for arm, of_arm in values.items():
            if turn < len(of_arm):
                unit = f"{arm}-{turn}"
                records += [
                    exposure(unit, arm, position, main=next(iter(values)), share=share or 1 / len(values)),
                    outcome(unit, name, of_arm[turn], position + 0.5),
                ]
                position += 1
    return write(folder, records, process)

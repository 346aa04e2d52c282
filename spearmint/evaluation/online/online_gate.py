"""Whether an arm may take main's place: evaluate's gate, on the interval of units of an online experiment."""

from spearmint.errors import EvaluationError
from spearmint.evaluation.online.online_report import OnlineReport
from spearmint.evaluation.report.gate import Gate, GateResult, decide


def check_online_gate(report: OnlineReport, gate: Gate) -> list[GateResult]:
    """Decide for each arm but main whether it passes, as `evaluation.report.gate.check_gate` does of configs.

    Unhealthy records let nothing pass and refute nothing: the gate is inconclusive, and says why.

    Raises:
        EvaluationError: If there is no such metric, or no arm beside main.
    """
    others = report.summary(gate.metric)[1:]
    if not others:
        cause = f"{report.arms[0]} is the only arm with exposures"
        raise EvaluationError(f"Cannot hold {gate.metric!r} against main: {cause}. See that the others run.")
    return [decide(gate, one.case_id, one.difference, 0) for one in others if one.difference is not None]

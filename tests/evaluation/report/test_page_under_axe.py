"""The report's page under axe, which is to call no fault serious."""

import pytest

from spearmint import Spearmint
from tests.axe import DARK_PHONE, LIGHT, serious_faults


@pytest.mark.slow
@pytest.mark.parametrize("look", [LIGHT, DARK_PHONE], ids=["light", "dark on a phone"])
def test_page_of_a_report_has_no_serious_fault(tmp_path, look):
    def answer(number, config):
        if number == config["fails"]:
            raise ValueError(number)
        return f"The answer to {number} is {'right' if number % 10 < config['right'] else 'wrong'}."

    report = Spearmint().evaluate(
        answer,
        [{"number": number} for number in range(60)],
        configs=[{"right": right, "fails": fails} for right in (1, 3, 10) for fails in (-1, 7)],
        scorers={"right": lambda outputs: "right" in outputs, "letters": lambda outputs: outputs.count("e")},
        progress=False,
    )
    assert serious_faults(report.to_html(), tmp_path, look) == []

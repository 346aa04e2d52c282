"""The data of a page's table of rows and configs."""

import json

from spearmint import Spearmint
from spearmint.evaluation.report.row_table import Column, row_table


def size(outputs):
    return len(outputs)


def table(function, rows, configs, *, most=1_000_000, columns=None, write=None, **options):
    scorers = options.pop("scorers", {"size": size})
    report = Spearmint().evaluate(function, rows, scorers=scorers, configs=configs, progress=False, **options)
    chosen = columns or [Column(position, f"case {position}") for position in range(len(configs))]
    given = {"most": most, "write": write}
    made = row_table(chosen, report.metrics, report.results, report.dataset.rows(), **given)
    data = json.loads(made.text)
    parts = {number: json.loads(text) for number, text in made.parts.items()}
    for row in data["rows"]:
        if row["part"] in parts:
            part = parts[row["part"]]
            row.update(part["rows"][str(row["number"])])
            row["texts"] = [None if place is None else part["outputs"][place][0] for place in row["outputs"]]
    return data, made


def repeated(x, config):
    if x == config.get("fails"):
        raise ValueError(x)
    return str(x) * config["k"]


def test_table_holds_scores_outputs_and_inputs_of_each_row():
    rows = [{"x": 7, "expected": "77"}, {"x": 8, "expected": "88"}]
    data, made = table(repeated, rows, [{"k": 1}, {"k": 2}])
    assert data["cases"] == ["case 0", "case 1"]
    assert data["metrics"] == [{"name": "size", "passes": False}]
    first, second = data["rows"]
    assert first["inputs"] == [["x", "7"]]
    assert first["expected"] == [["expected", "77"]]
    assert first["scores"] == [[1, 2]]
    assert second["texts"] == ["8", "88"]
    assert made.notes == []


def test_table_holds_equal_outputs_once():
    _, made = table(lambda x, config: "same", [{"x": 1}] * 5, [{"k": 1}, {"k": 2}])
    (part,) = made.parts.values()
    assert [text for text, _ in json.loads(part)["outputs"]] == ["same"]


def test_table_tells_cells_that_failed():
    data, _ = table(repeated, [{"x": 1}, {"x": 2}], [{"k": 1}, {"k": 2, "fails": 2}])
    assert [row["failed"] for row in data["rows"]] == [[], [1]]
    assert data["rows"][1]["scores"] == [[1, None]]
    assert data["rows"][1]["outputs"][1] is None


def test_table_knows_metrics_that_pass_or_fail():
    scorers = {"right": lambda outputs: outputs == "1", "size": size}
    data, _ = table(repeated, [{"x": 1}, {"x": 22}], [{"k": 1}], scorers=scorers)
    assert [one["passes"] for one in data["metrics"]] == [True, False]


def test_table_too_large_leaves_outputs_out_and_says_so():
    rows = [{"x": number} for number in range(20)]
    data, made = table(lambda x, config: f"{x}" * 200, rows, [{"k": 1}, {"k": 2}], most=8000)
    kept = [one for row in data["rows"] for one in row["outputs"] if one is not None]
    assert 0 < len(kept) < 40
    assert f"{40 - len(kept)} outputs are left out, as the page would be too large." in made.notes


def test_table_too_large_leaves_rows_out_and_says_so():
    rows = [{"x": number} for number in range(200)]
    data, made = table(repeated, rows, [{"k": 1}], most=4000)
    assert 0 < len(data["rows"]) < 200
    assert len(made.text) < 5000
    assert made.notes[0].startswith(f"{200 - len(data['rows'])} more rows are left out")


def test_table_says_which_configs_and_repeats_it_leaves_out():
    _, made = table(repeated, [{"x": 1}], [{"k": 1}, {"k": 2}], columns=[Column(0, "main")], repeats=3)
    assert made.notes == ["1 more configs are left out.", "Scores are of all 3 repeats, outputs of the first."]


def test_table_says_how_many_outputs_were_not_kept(monkeypatch):
    monkeypatch.setattr("spearmint.evaluation.run.result_table.KEPT_OUTPUTS", 3)
    data, made = table(repeated, [{"x": number} for number in range(5)], [{"k": 1}])
    assert sum(row["outputs"] != [None] for row in data["rows"]) == 3
    assert made.notes[0].startswith("2 outputs were not kept")


def test_table_ends_no_script_element():
    _, made = table(lambda x, config: f"{x}</script><!--", [{"x": "</script><!--"}], [{"k": 1}])
    assert "<" not in made.text + made.parts[0]
    assert json.loads(made.parts[0])["outputs"][0][0] == "</script><!--</script><!--"


def test_table_takes_any_text_and_score():
    def odd(outputs):
        return {"tiny": 0.000123456, "huge": 1e300}

    data, made = table(lambda x, config: x, [{"x": "\ud800 \x00 \u2028"}], [{"k": 1}], scorers=odd)
    by_name = dict(zip([one["name"] for one in data["metrics"]], data["rows"][0]["scores"], strict=True))
    assert by_name == {"tiny": [0.0001235], "huge": [1e300]}
    assert "\x00" not in made.text + made.parts[0]


def test_table_hides_secrets_of_inputs_and_outputs():
    rows = [{"url": "https://me:hunter22@example.org", "expected": {"password": "hunter22"}}]
    data, made = table(lambda url, config: f"{url} {config['api_key']}", rows, [{"api_key": "one-secret-key"}])
    assert "hunter22" not in made.text + made.parts[0]
    assert "secret-key" not in made.text + made.parts[0]
    assert "example.org" in data["rows"][0]["texts"][0]

import numpy as np

from spearmint.evaluation.run.cell import CellResult
from spearmint.evaluation.run.result_table import CellKey, ResultTable


def test_table_has_all_once_every_cell_has_a_result():
    table = ResultTable(3, 4, 2)
    for case in (0, 2):
        for row in (1, 3):
            for repeat in range(2):
                assert not table.has_all([0, 2], np.array([1, 3]))
                table.record(CellKey(case, row, repeat), CellResult(0.1, None, {}, {}, None))
    assert table.has_all([0, 2], np.array([1, 3]))
    assert not table.has_all([0, 1], np.array([1, 3]))
    assert not table.has_all([0, 2], np.array([0]))

"""What ``module:name`` leads to, and what is said where it leads nowhere."""

import json
import re

import pytest

from spearmint.import_path import import_object


def test_path_leads_to_the_object():
    assert import_object("json:dumps") is json.dumps
    assert import_object("json:JSONEncoder.encode") is json.JSONEncoder.encode


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("json.dumps", "it is not written 'module:name'. Write it so. Did you mean 'json:dumps'?"),
        ("dumps", "it is not written 'module:name'. Write it so."),
        ("json:", "it is not written 'module:name'. Write it so."),
        ("jsonx:dumps", "No module named 'jsonx'. Correct the module, or go to where it can be imported."),
        ("json:dump_", "module 'json' has no attribute 'dump_'. Correct the name. Did you mean 'dump' or 'dumps'?"),
    ],
)
def test_path_that_leads_nowhere_says_what_to_write(path, message):
    with pytest.raises(ImportError, match=f"^{re.escape(message)}$"):
        import_object(path)

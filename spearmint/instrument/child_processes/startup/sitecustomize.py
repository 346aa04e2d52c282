"""What Python imports at the start of a child of an instrumented program, which is to be instrumented too.

The folder is on ``PYTHONPATH`` of such children, in front of a ``sitecustomize`` of the user's, which is imported too.
"""
# ruff: noqa: INP001 - no package: Python finds it by its bare name

import importlib
import os
import sys


def _import_users() -> None:
    """Import the ``sitecustomize`` that this one stands in front of, if there is one."""
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib takes a while to import
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]  # noqa: PTH100
    ours = sys.modules.pop("sitecustomize")
    try:
        importlib.import_module("sitecustomize")
    except ModuleNotFoundError as error:
        if error.name != "sitecustomize":
            raise
        sys.modules["sitecustomize"] = ours


def _install() -> None:
    try:
        lazy_finder = importlib.import_module("spearmint.instrument.child_processes.lazy_finder")
    except ModuleNotFoundError:  # A Python, or an environment, in which Spearmint is not.
        return
    lazy_finder.install_lazy_finder()


if __name__ == "sitecustomize":
    try:
        _import_users()
    finally:
        _install()

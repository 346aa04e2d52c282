"""Packages that exist for one test, in every form in which Python imports them."""

import importlib
import os
import py_compile
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import spearmint

ROOT = Path(__file__).parent.parent.parent
DEADLINE_SECONDS = 60


class Project:
    """A folder that modules are imported from, and the hook that they are imported under."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, files: Mapping[str, str]) -> None:
        """Write files by their paths; a text may be indented."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        importlib.invalidate_caches()

    def pack(self, form: str, mode: py_compile.PycInvalidationMode | None = None) -> None:
        """Turn the folder's sources into another form, and put that on `sys.path` instead."""
        sources = sorted(self.folder.rglob("*.py"))
        if "pyc" in form:
            for path in sources:
                py_compile.compile(str(path), cfile=str(path.with_suffix(".pyc")), invalidation_mode=mode, doraise=True)
                path.unlink()
        if form.startswith("zip"):
            archive = self.folder / "library.zip"
            with zipfile.ZipFile(archive, "w") as made:
                for path in sorted([*self.folder.rglob("*.py"), *self.folder.rglob("*.pyc")]):
                    made.write(path, path.relative_to(self.folder))
                    path.unlink()
            sys.path[sys.path.index(str(self.folder))] = str(archive)
        importlib.invalidate_caches()

    @staticmethod
    def install(*targets: Any, packages: Any = (), **rest: Any) -> Any:
        """Install settings; a target alone binds its parameter ``boost`` to a config of 3."""
        experiments = [
            one if isinstance(one, Mapping) else {"target": one, "configs": [{"b": 3}], "bindings": {"boost": "b"}}
            for one in targets
        ]
        return spearmint.install({"packages": list(packages), "experiments": experiments}, **rest)

    @staticmethod
    def load(name: str) -> ModuleType:
        """Import a module, anew if it is there."""
        sys.modules.pop(name, None)
        return importlib.import_module(name)

    def caches(self) -> list[str]:
        """Name the cache files that are ours."""
        return sorted(path.name for path in self.folder.rglob("*.spearmint.pyc"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Give a project, with bytecode caches on; what it has imported and installed is gone after the test."""
    folder = tmp_path / "project"
    folder.mkdir()
    modules = set(sys.modules)
    meta_path, path_hooks = list(sys.meta_path), list(sys.path_hooks)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    yield Project(folder)
    spearmint.uninstall()
    for name in set(sys.modules) - modules:
        path = getattr(sys.modules[name], "__file__", None) or ""
        if path.startswith(str(tmp_path)) or list(getattr(sys.modules[name], "__path__", ()))[:1] == [
            str(folder / name)
        ]:
            del sys.modules[name]
    sys.path_importer_cache.pop(str(folder), None)
    assert sys.meta_path == meta_path
    assert sys.path_hooks == path_hooks


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run Python in the project's folder, strictly, within a deadline, with bytecode caches on."""

    def run(*arguments: str, source: str | None = None, **variables: str) -> "subprocess.CompletedProcess[str]":
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        if source is not None:
            path = folder / "program.py"
            path.write_text(textwrap.dedent(source), encoding="utf-8")
            arguments = (*arguments, str(path))
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        return subprocess.run(
            [sys.executable, "-W", "error::spearmint.errors.SpearmintWarning", *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )

    return run

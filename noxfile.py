"""The gate's stages, a nox session each: `nox` runs them all, `nox -s lint types` two of them, `nox -l` lists them.

`.ci/run` and `.github/workflows/ci.yml` run these sessions and define nothing of their own.
"""

import os
import re
import shlex
import zipfile
from pathlib import Path

import nox

nox.needs_version = ">=2026.10.20"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False  # a version that is not there is told as skipped
nox.options.sessions = [
    *["readme", "lint", "types", "wheel", "docs", "lowest", "suites-3.12", "suites-3.13"],
    *["debian(version='3.14')", "debian(version='3.15')"],
]

# The versions that pyenv keeps, also those that are not active; nox looks for interpreters on the PATH.
pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *map(str, sorted(pyenv.glob("3.*/bin")))])

OLDEST = "3.11"
PROJECT = nox.project.load_toml("pyproject.toml")["project"]

# What can come out differently on another CPython: all but prose, the house, types, and whole programs.
VERSION_BOUND = [
    "tests",
    "spearmint",
    "--ignore=tests/test_docs_snippets.py",
    "--ignore=tests/test_architecture.py",
    "--ignore=tests/test_typing.py",
    "--ignore=tests/examples",
]
# Whole programs that come out as that CPython has them, each in a process of its own.
PROGRAMS = ["tests/cli/test_run.py", "tests/instrument/child_processes", "-m=slow"]
# What can come out differently with another version of a dependency.
DEPENDENCY_BOUND = [
    "tests/cases",
    "tests/cli",
    "tests/config",
    "tests/instrument/rewrite",
    "tests/instrument/settings",
    "tests/planning",
    "tests/proxy",
    "tests/registry",
    "tests/statistics",
    "tests/strategies",
    "tests/tracing",
]
NOT_SLOW = "-m=not slow"
ON_OLDEST = f"most tests that start processes, which run on {OLDEST}; `nox -s suites-3.13 -- tests` runs them too"
# What is left out on Debian's CPython 3.14 and 3.15, and why; the sessions tell it each time.
LEFT_OUT = {
    NOT_SLOW: "most tests that start processes: some have not passed there yet",
}
BATCH = "tests/tracing/mlflow/test_batch_insert.py::test_batch_takes_the_same_statements_for_more_traces"
# The same, with the lowest versions.
LEFT_OUT_OF_LOWEST = {
    f"--deselect={BATCH}": "mlflow 3.12.0 updates and reads each trace of a batch by itself",
}
PYTEST = ["python", "-m", "pytest", "-q", "-n", "2"]
UNREACHABLE = 75  # scripts/newer_pythons.sh says with it that it found no interpreters


@nox.session(venv_backend="venv")
def readme(session: nox.Session) -> None:
    """Run README's two commands as they stand there: the main job, and the whole suite."""
    commands = re.findall(r"^```sh *\n(.*?)^``` *$", Path("README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    if len(commands) != 2:
        session.error(f"README.md has {len(commands)} sh blocks, not two: one to run the main job, one for the tests")
    for command in commands:
        session.run("bash", "-euo", "pipefail", "-c", command, external=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    session.install(*(one for one in requirements("test") if one.startswith("ruff")))
    session.run("ruff", "check", "--no-cache", ".")
    session.run("ruff", "format", "--no-cache", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the package, and that mypy and pyright accept and refuse what users write."""
    session.install("-e", ".[test]", "basedpyright==1.40.*")
    session.run("mypy")
    session.run("python", "-m", "basedpyright", "--version")
    session.run("python", "-m", "pytest", "-q", "tests/test_typing.py")


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel, which holds the package, its types, and nothing else."""
    session.install("pip")
    folder = session.create_tmp()
    session.run("python", "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, ".")
    for path in Path(folder).glob("*.whl"):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        strangers = [name for name in names if not name.startswith("spearmint/") and ".dist-info/" not in name]
        if "spearmint/py.typed" not in names or strangers:
            session.error(f"{path.name} is to hold spearmint with its py.typed and nothing else; it holds {names}")
        session.log(f"{path.name}: {len(names)} files, py.typed among them")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation strictly; `nox -s docs -- serve` shows it while it is written."""
    session.install("-e", ".[docs]")
    site = str(Path(session.create_tmp(), "site"))
    session.run(
        *["python", "-m", "mkdocs"],
        *(session.posargs or ["build", "--quiet", "--strict", "--site-dir", site]),
        env={"NO_MKDOCS_2_WARNING": "1"},
    )


@nox.session(python=OLDEST)
def lowest(session: nox.Session) -> None:
    """Run the suites that depend on dependencies, with the lowest versions that pyproject.toml allows."""
    if session.venv_backend != "uv":
        session.skip("no uv, which alone resolves to the lowest versions")
    lowest = str(Path(session.create_tmp(), "lowest.txt"))
    # The tools of the tests are no requirement of users: of those the newest that go with the lowest.
    session.run(
        *["uv", "pip", "compile", "--quiet", "--no-deps", "--resolution", "lowest-direct"],
        *["--output-file", lowest, "pyproject.toml"],
    )
    session.install("-e", ".[test]", "--constraint", lowest)
    session.log(", ".join(re.findall(r"^\S+==\S+", Path(lowest).read_text("utf-8"), re.MULTILINE)))
    for option, reason in LEFT_OUT_OF_LOWEST.items():
        session.warn(f"!!! LEFT OUT: {option}: {reason}")
    session.run(*PYTEST, *(session.posargs or [*DEPENDENCY_BOUND, "-m", "not slow", *LEFT_OUT_OF_LOWEST]))


@nox.session(python=["3.11", "3.12", "3.13", "3.14", "3.15"])
def suites(session: nox.Session) -> None:
    """Run the suites that depend on the CPython version, on one that this machine has."""
    session.install(*light_requirements())
    session.install("--no-deps", "-e", ".")
    session.warn(f"!!! LEFT OUT: {NOT_SLOW}: {ON_OLDEST}")
    for step in version_bound(session, NOT_SLOW):
        session.run(*step)


@nox.session(python=False)
@nox.parametrize("version", ["3.14", "3.15"])
def debian(session: nox.Session, version: str) -> None:
    """Run the same suites on a CPython of Debian's testing suite, which is unpacked into nox's cache."""
    script, root = "scripts/newer_pythons.sh", Path(session.cache_dir, "newer_pythons")
    session.run(script, str(root), external=True, success_codes=[0, UNREACHABLE])
    if not (root / ".complete").exists():
        session.skip(f"no CPython {version}: Debian's testing suite cannot be unpacked here")
    for option, reason in LEFT_OUT.items():
        session.warn(f"!!! LEFT OUT: {option}: {reason}")
    steps = [
        [f"python{version}", "-m", "venv", "--clear", f"/venv-{version}"],
        [".", f"/venv-{version}/bin/activate"],
        ["python", "-m", "pip", "install", "uv"],
        ["uv", "pip", "install", *light_requirements()],
        ["uv", "pip", "install", "--no-deps", "-e", "."],
        *version_bound(session, *LEFT_OUT),
    ]
    session.run(script, str(root), "\n".join(shlex.join(step) for step in steps), external=True)


def version_bound(session: nox.Session, *options: str) -> list[list[str]]:
    """Return the commands that show what depends on the CPython version; what follows `--` goes to pytest instead.

    Args:
        session: The session that runs them.
        *options: Further options of pytest.
    """
    if session.posargs:
        return [[*PYTEST, *session.posargs]]
    parity = [["python", "benchmarks/parity.py"], ["python", "benchmarks/read_parity.py"]]
    return [*parity, [*PYTEST, *VERSION_BOUND, *options], [*PYTEST, *PROGRAMS]]


def requirements(extra: str) -> list[str]:
    """Return what an extra requires, as pyproject.toml says it."""
    return list(PROJECT["optional-dependencies"][extra])


def light_requirements() -> list[str]:
    """Return what the version-bound suites need: all but mlflow, which they leave alone and which is large."""
    return [one for one in PROJECT["dependencies"] + requirements("test") if not one.startswith("mlflow")]

"""PyInstaller's hook for Spearmint: what its analysis cannot see, since it is imported by name on first use."""
# ruff: noqa: N999 - no package: PyInstaller finds it by this name

from PyInstaller.utils.hooks import collect_data_files, collect_submodules, copy_metadata

# Rooms that no call of an experiment enters. What an application imports of them is found where it does.
_NOT_FROZEN = (
    "spearmint.__main__",
    "spearmint.__pyinstaller",
    "spearmint.cli",
    "spearmint.evaluation",
    "spearmint.instrument.check",
    "spearmint.instrument.child_processes.startup",
    "spearmint.integrations",
    "spearmint.pytest_plugin",
    "spearmint.statistics",
    "spearmint.testing",
    "spearmint.ui",
)

hiddenimports = collect_submodules("spearmint", filter=lambda name: not name.startswith(_NOT_FROZEN))
datas = collect_data_files("spearmint") + copy_metadata("spearmint-experiments")
# No call of an experiment needs these. An application that traces or evaluates imports MLflow or SciPy itself, or names
# it with --hidden-import; MLflow alone would bring pandas, Arrow and scikit-learn.
excludedimports = [
    "IPython",
    "click",
    "dask",
    "distributed",
    "jinja2",
    "matplotlib",
    "mlflow",
    "numpy",
    "opentelemetry",
    "pandas",
    "pytest",
    "rich",
    "scipy",
    "sqlalchemy",
]

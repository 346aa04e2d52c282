"""Every private of MLflow that Spearmint uses: named here, there in the MLflow that is installed, used nowhere else."""

import ast
from importlib import import_module
from pathlib import Path

from mlflow.tracing.trace_manager import InMemoryTraceManager

PACKAGE = Path(__file__).parents[3] / "spearmint"
ROOM = PACKAGE / "tracing" / "mlflow"

# Module, and what is private in it: of the module itself, of a class of it, or of what a call gives.
PRIVATES = {
    "_engine_map": ("mlflow.store.tracking.sqlalchemy_store", "SqlAlchemyStore"),
    "_upload_trace_data": ("mlflow.tracing.client", "TracingClient"),
    "_get_trace_exporter": ("mlflow.tracing.provider", None),
    "_tracking_uri": ("mlflow.tracking._tracking_service.utils", None),
    "_active_experiment_id": ("mlflow.tracking.fluent", None),
    "_active_run_stack": ("mlflow.tracking.fluent", None),
}
# Of instances: attributes that a class sets as it is made, found where a span or exporter is at hand.
OF_INSTANCES = {"_span", "_add_event", "_client", "_traces", "_otel_id_to_mlflow_trace_id", "_lock"}
# Public in name, but of modules that MLflow documents nowhere: a trace manager and a store's sessions.
UNDOCUMENTED = {
    ("mlflow.tracing.trace_manager", "InMemoryTraceManager", "get_trace"),
    ("mlflow.tracing.trace_manager", "InMemoryTraceManager", "pop_trace"),
    ("mlflow.tracing.provider", None, "get_context_api"),
    ("mlflow.tracing.provider", None, "get_current_otel_span"),
    ("mlflow.tracing.provider", None, "set_span_in_context"),
    ("mlflow.tracing.provider", None, "detach_span_from_context"),
    ("mlflow.tracing.config", None, "get_config"),
    ("mlflow.utils.autologging_utils", None, "AUTOLOGGING_INTEGRATIONS"),
    ("mlflow.store.tracking.sqlalchemy_store", "SqlAlchemyStore", "start_trace"),
    ("mlflow.store.tracking.sqlalchemy_store", "SqlAlchemyStore", "log_spans"),
    ("mlflow.store.tracking.sqlalchemy_store", "SqlAlchemyStore", "get_experiment"),
    ("mlflow.store.tracking.sqlalchemy_store", "SqlAlchemyStore", "TRACE_FOLDER_NAME"),
    ("mlflow.store.tracking.sqlalchemy_store", "SqlAlchemyStore", "ARTIFACTS_FOLDER_NAME"),
    ("mlflow.store.tracking.dbmodels.models", "SqlTraceInfo", "metadata"),
    ("mlflow.tracing.otel.translation", None, "translate_span_when_storing"),
}


def private_names(path):
    """Yield the names with one leading underscore that a module reads of other objects than its own."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                continue
            case (
                ast.Attribute(attr=name)
                | ast.Call(func=ast.Name(id="getattr" | "hasattr"), args=[_, ast.Constant(value=str(name)), *_])
            ):
                if name.startswith("_") and not name.startswith("__") and name not in own:
                    yield name


def test_privates_of_mlflow_exist_and_are_all_named(traced) -> None:
    for name, (module, owner) in PRIVATES.items():
        holder = import_module(module)
        assert hasattr(holder if owner is None else getattr(holder, owner), name), name
    for module, owner, name in UNDOCUMENTED:
        holder = import_module(module)
        assert hasattr(holder if owner is None else getattr(holder, owner), name), name

    import mlflow

    span = mlflow.start_span_no_context("seam")
    assert span._span.get_span_context().trace_id
    assert callable(span._span._add_event)
    assert hasattr(import_module("mlflow.tracing.provider")._get_trace_exporter(), "_client")
    manager = InMemoryTraceManager.get_instance()
    with manager._lock:
        assert manager._traces[span.trace_id].span_dict
        assert manager._otel_id_to_mlflow_trace_id[span._span.get_span_context().trace_id] == span.trace_id
    assert manager.pop_trace(span._span.get_span_context().trace_id) is not None

    store = import_module("mlflow.tracing.client").TracingClient(traced).store
    assert callable(store.ManagedSessionMaker)

    used = {name for path in ROOM.glob("*.py") for name in private_names(path)}
    assert used == set(PRIVATES) | OF_INSTANCES


def test_no_other_room_reads_privates_of_mlflow() -> None:
    names = set(PRIVATES) | {"_tracking_service"}
    found = {
        (path.name, name)
        for path in PACKAGE.rglob("*.py")
        if path.parent != ROOM
        for name in names & set(private_names(path))
    }
    assert found == set()

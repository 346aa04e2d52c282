"""What a server answers is believed only where it is MLflow's answer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import spearmint
from spearmint import Config, Spearmint

pytestmark = pytest.mark.slow

FLUSH_SECONDS = 30
JSON = "application/json"
LOGIN = (200, "text/html; charset=utf-8", b"<html><title>Please log in</title></html>")
TRACE = (200, JSON, b'{"trace": {"trace_info": {"trace_id": "tr-1"}}}')
EMPTY_PROTOBUF = (200, "application/x-protobuf", b"")


@Spearmint(configs=[{"n": 3}], tracing=True).experiment()
def times(x, config: Config):
    return x * config.n


@contextmanager
def server_that_answers(traces, spans) -> Iterator[str]:
    """Serve two answers: one to the beginning of a trace and to what is asked, one to its spans."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.do_POST()

        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, kind, body = spans if self.path == "/v1/traces" else traces
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            """Say nothing on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://ann:pw-1234567@127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("traces", "spans", "problem"),
    [
        (LOGIN, LOGIN, "it answered 200 with what is no answer of MLflow's (text/html; charset=utf-8: '<html>"),
        (
            (200, JSON, b'{"trace": {"tr'),
            EMPTY_PROTOBUF,
            "no answer of MLflow's (application/json: '{\"tr",
        ),
        ((200, JSON, b'{"ok": true}'), EMPTY_PROTOBUF, "no answer of MLflow's (application/json: '{\"ok"),
        ((200, JSON, b""), EMPTY_PROTOBUF, "no answer of MLflow's (application/json: '{}')"),
        (TRACE, LOGIN, "/v1/traces: it answered 200 with what is no answer of MLflow's (text/html"),
        (TRACE, (200, "application/x-protobuf", b"<html>"), "/v1/traces: it answered 200 with what is no answer"),
        (TRACE, (200, JSON, b'{"partialSuccess": {"rejectedSpans": 1}}'), "rejected 1 spans of 1 traces"),
    ],
    ids=["login", "broken-json", "other-json", "empty", "login-for-spans", "broken-protobuf", "rejected"],
)
def test_answer_that_is_not_mlflows_is_a_failure(traced, caplog, traces, spans, problem) -> None:
    with server_that_answers(traces, spans) as url:
        spearmint.configure(tracing={"tracking_uri": url})
        assert times(1) == 3
        assert spearmint.flush(FLUSH_SECONDS)
    stats = spearmint.tracing_stats()
    assert (stats.recorded, stats.written, stats.failed) == (1, 0, 1)
    (record,) = [one for one in caplog.records if one.name == "spearmint"]
    assert problem in record.message
    assert "pw-1234567" not in record.message


@pytest.mark.parametrize("spans", [EMPTY_PROTOBUF, (200, JSON, b"{}")], ids=["protobuf", "json"])
def test_answer_of_mlflow_is_believed(traced, spans) -> None:
    with server_that_answers(TRACE, spans) as url:
        spearmint.configure(tracing={"tracking_uri": url})
        times(1)
        assert spearmint.flush(FLUSH_SECONDS)
    assert spearmint.tracing_stats().written == 1

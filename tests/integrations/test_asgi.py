"""Each request has attributes of its own, in async endpoints, in threads, and in websockets."""

import asyncio
import contextvars

import pytest
from fastapi import FastAPI, WebSocket
from fastapi.testclient import TestClient

import spearmint
from spearmint import RuntimeContext, Spearmint
from spearmint.context import attributes_var
from spearmint.errors import DeclarationError, SpearmintWarning
from spearmint.integrations.asgi import RuntimeContextMiddleware
from spearmint.planning.capture import active
from spearmint.planning.forcing import forcing
from spearmint.strategies import SplitStrategy
from spearmint.warn import said

CONFIGS = [{"model": "small"}, {"model": "large"}]


def by_user(configs, attributes):
    """Give ann the second config."""
    return configs[attributes.get("user_id") == "ann"], ()


def make_app(**options):
    app = FastAPI()
    app.add_middleware(RuntimeContextMiddleware, **options)
    mint = Spearmint(configs=CONFIGS, strategy=by_user)

    @mint.experiment(bindings={"model": "model"})
    def chosen(model):
        return model

    @app.get("/loop")
    async def loop():
        await asyncio.sleep(0)
        return chosen()

    @app.get("/thread")
    def thread():
        return chosen()

    @app.get("/attributes")
    async def attributes():
        return dict(attributes_var.get())

    @app.websocket("/socket")
    async def socket(websocket: WebSocket):
        await websocket.accept()
        await websocket.send_json(chosen())
        await websocket.close()

    return app


@pytest.fixture
def client():
    with TestClient(make_app(headers={"X-User-Id": "user_id"})) as made:
        yield made


@pytest.mark.parametrize("path", ["/loop", "/thread"])
def test_a_strategy_reads_what_the_request_says(client, path):
    answers = [client.get(path, headers={"x-user-id": user}).json() for user in ("bob", "ann", "bob")]
    assert answers == ["small", "large", "small"]


def test_a_websocket_has_its_attributes_too(client):
    with client.websocket_connect("/socket", headers={"x-user-id": "ann"}) as socket:
        assert socket.receive_json() == "large"


def test_a_header_that_a_request_lacks_gives_no_attribute(client):
    assert client.get("/attributes").json() == {}


def test_of_a_header_that_is_sent_twice_the_first_counts(client):
    assert client.get("/attributes", headers=[("x-user-id", "ann"), ("x-user-id", "bob")]).json() == {"user_id": "ann"}


def test_nothing_of_a_request_is_left_for_the_next(client):
    client.get("/attributes", headers={"x-user-id": "ann"})
    assert client.get("/attributes").json() == {}
    assert dict(attributes_var.get()) == {}


def test_a_function_of_the_scope_adds_attributes_and_wins():
    app = make_app(headers={"x-user-id": "user_id"}, attributes=lambda scope: {"user_id": "ann", "path": scope["path"]})
    with TestClient(app) as client:
        answer = client.get("/attributes", headers={"x-user-id": "bob"})
    assert answer.json() == {"user_id": "ann", "path": "/attributes"}


def test_concurrent_requests_do_not_see_each_other():
    seen = []
    both_are_here = asyncio.Barrier(2)

    async def app(scope, receive, send):
        before = attributes_var.get()["user_id"]
        await both_are_here.wait()
        seen.append((before, attributes_var.get()["user_id"]))

    wrapped = RuntimeContextMiddleware(app, headers={"user": "user_id"})

    async def main():
        scopes = [{"type": "http", "headers": [(b"user", name)]} for name in (b"ann", b"bob")]
        await asyncio.gather(*(wrapped(scope, None, None) for scope in scopes))

    asyncio.run(main())
    assert sorted(seen) == [("ann", "ann"), ("bob", "bob")]


def test_the_lifespan_is_passed_on():
    passed = []

    async def app(scope, receive, send):
        passed.append((scope["type"], dict(attributes_var.get())))

    asyncio.run(RuntimeContextMiddleware(app, attributes=lambda scope: {"a": 1})({"type": "lifespan"}, None, None))
    assert passed == [("lifespan", {})]


@pytest.mark.parametrize("headers", ["x-user-id", ["x-user-id"], {"x-user-id": 1}, {b"x-user-id": "user_id"}])
def test_headers_that_are_no_mapping_between_names_are_refused(headers):
    with pytest.raises(DeclarationError, match="Cannot take attributes from headers"):
        RuntimeContextMiddleware(None, headers=headers)


def test_attributes_that_cannot_be_called_are_refused():
    with pytest.raises(DeclarationError, match=r"it cannot be called\. Give a function of the ASGI scope"):
        RuntimeContextMiddleware(None, attributes={"a": 1})


def test_attributes_that_are_no_mapping_fail_the_request():
    app = RuntimeContextMiddleware(None, attributes=lambda scope: 3)
    with pytest.raises(DeclarationError, match="it is no mapping"):
        asyncio.run(app({"type": "http", "headers": []}, None, None))


def allow_staff(scope):
    """Let in who says so, for the test's sake."""
    return dict(scope["headers"]).get(b"x-user-id") == b"staff"


async def allow_staff_later(scope):
    await asyncio.sleep(0)
    return allow_staff(scope)


@pytest.mark.parametrize("allow", [allow_staff, allow_staff_later])
@pytest.mark.parametrize("path", ["/loop", "/thread"])
def test_person_who_may_forces_a_config(path, allow):
    config_id = Spearmint(configs=CONFIGS).configs[1].config_id
    headers = {"x-spearmint-force": f"*chosen={config_id}"}
    with TestClient(make_app(headers={"X-User-Id": "user_id"}, force={"X-Spearmint-Force": allow})) as client:
        assert client.get(path, headers={**headers, "x-user-id": "staff"}).json() == "large"
        assert client.get(path, headers={**headers, "x-user-id": "bob"}).json() == "small"
        assert client.get(path, headers={"x-user-id": "staff"}).json() == "small"
        with client.websocket_connect("/socket", headers={**headers, "x-user-id": "staff"}) as socket:
            assert socket.receive_json() == "large"
    assert active == []


def test_header_that_forces_nothing_is_warned_of():
    said.clear()
    with TestClient(make_app(force={"x-force": lambda _: True})) as client:
        with pytest.warns(SpearmintWarning, match="in x-force: it is no target with a config"):
            assert client.get("/loop", headers={"x-force": "large"}).json() == "small"
        with pytest.warns(SpearmintWarning, match="it has no such config"):
            assert client.get("/loop", headers={"x-force": "*chosen=nothing"}).json() == "small"


def test_forced_split_exposes_nobody_and_others_stay():
    told = []
    spearmint.configure(online={"sink": told.extend})
    mint = Spearmint(configs=CONFIGS, strategy=SplitStrategy(weights=[1, 0], salt="s"))

    @mint.experiment(bindings={"model": "model"})
    def chosen(model):
        return model

    try:
        with RuntimeContext(attributes={"user_id": "ann"}):
            with forcing({"*chosen": mint.configs[1].config_id}):
                assert chosen() == "large"
                assert contextvars.Context().run(chosen) == "small"
            assert spearmint.flush(60)
            assert [one for one in told if one["type"] == "exposure"] == []
            assert chosen() == "small"
        assert spearmint.flush(60)
    finally:
        spearmint.configure(online={"sink": None})
    assert len([one for one in told if one["type"] == "exposure"]) == 1


@pytest.mark.parametrize("force", ["x-force", {"x-force": "yes"}, {1: len}])
def test_force_that_is_no_mapping_to_functions_is_refused(force):
    with pytest.raises(DeclarationError, match="Cannot force configs by"):
        RuntimeContextMiddleware(None, force=force)

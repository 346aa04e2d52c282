"""Secrets show neither in inputs nor in configs, results and exceptions."""

from dataclasses import dataclass, field

import pytest
from pydantic import BaseModel, Field, SecretBytes, SecretStr

import spearmint
from spearmint import Config, Spearmint
from spearmint.secret_forms import MASK

SECRET = "sk-4f9a77b1c2"
HEADERS = [("Authorization", "Basic YW5uOnB3"), ["x-api-key", "k-1234567"]]


class Credentials(BaseModel):
    api_key: SecretStr
    raw: SecretBytes
    hidden: str = Field(repr=False)
    left_out: str = Field(exclude=True)
    user: str


@dataclass
class Login:
    user: str
    password: str
    pin: str = field(repr=False, default="pin-778899")


class Client:
    def __repr__(self):
        return f"Client(token={SECRET!r})"


def everything_of(trace):
    return trace.to_json() + str(trace.info.tags) + str(trace.info.trace_metadata)


def test_trace_shows_no_secret(traces) -> None:
    config = {"api_key": SECRET, "llm": {"headers": [{"Authorization": f"Bearer {SECRET}"}], "max_tokens": 5}}

    @Spearmint(configs=[config]).experiment()
    def call(account, login, client, password, config: Config):
        return {"used": config.api_key, "token": SECRET, "echo": f"called with {SECRET} and {password}"}

    credentials = Credentials(api_key=SECRET, raw=b"raw-998877", hidden="hid-112233", left_out="out-445566", user="ann")
    result = call(credentials, Login("ann", "pw-665544"), Client(), "pw-101010")
    assert result["used"] == SECRET
    (trace,) = traces()
    text = everything_of(trace)
    for secret in (SECRET, "raw-998877", "hid-112233", "out-445566", "pw-665544", "pin-778899", "pw-101010"):
        assert secret not in text
    inputs = trace.data.spans[0].inputs
    assert inputs["account"] == {"api_key": MASK, "raw": MASK, "hidden": MASK, "user": "ann"}
    assert inputs["login"] == {"user": "ann", "password": MASK, "pin": MASK}
    assert trace.data.spans[0].attributes["spearmint.config"]["llm"]["max_tokens"] == 5


def test_trace_shows_no_password_of_url_header_or_pair(traces) -> None:
    dsn = "postgresql://ann:pg-pass-77@db/shop"

    @Spearmint(configs=[{"database": dsn}]).experiment()
    def call(headers, raw, cookies, config: Config):
        raise ConnectionError(f"cannot reach {config.database}: pg-pass-77 refused; Cookie: sid=abc123; theme=dark")

    with pytest.raises(ConnectionError):
        call(
            [("Authorization", "Basic YW5uOnB3"), ["x-api-key", "k-1234567"]],
            [(b"cookie", b"sid=zz99yy88")],
            {"a": "c0"},
        )
    (trace,) = traces()
    text = everything_of(trace)
    for secret in ("pg-pass-77", "YW5uOnB3", "k-1234567", "zz99yy88", "abc123", '"c0"'):
        assert secret not in text
    span = trace.data.spans[0]
    assert span.attributes["spearmint.config"] == {"database": f"postgresql://ann:{MASK}@db/shop"}
    assert span.inputs["headers"] == [["Authorization", MASK], ["x-api-key", MASK]]
    assert span.inputs["raw"] == [["b'cookie'", MASK]]
    assert span.inputs["cookies"] == MASK


def test_exception_shows_no_secret_of_any_config(traces) -> None:
    @Spearmint(configs=[{"api_key": "first-secret-1"}, {"api_key": "other-secret-2"}]).experiment()
    def fail(config: Config):
        raise ValueError(f"{config.api_key} failed after other-secret-2; password=hunter22")

    with pytest.raises(ValueError, match="first-secret-1"):
        fail()
    (trace,) = traces()
    text = everything_of(trace)
    assert not any(secret in text for secret in ("first-secret-1", "other-secret-2", "hunter22"))
    assert trace.data.spans[0].status.description == f"ValueError: {MASK} failed after {MASK}; password={MASK}"


def test_mask_option_replaces_patterns(traces) -> None:
    spearmint.configure(tracing={"mask": ["iban", "card_?numbers?"]})

    @Spearmint(configs=[{"iban": "DE00123456"}]).experiment()
    def pay(card_number, token, config):
        return token

    pay("4111111", "tok-55")
    (trace,) = traces()
    assert trace.data.spans[0].inputs == {"card_number": MASK, "token": "tok-55", "config": {"iban": MASK}}


def test_empty_mask_hides_secret_types_only(traces) -> None:
    spearmint.configure(tracing={"mask": []})

    @Spearmint(configs=[{"n": 1}]).experiment()
    def call(password, key, config):
        return None

    call("pw-101010", SecretStr(SECRET))
    (trace,) = traces()
    assert trace.data.spans[0].inputs == {"password": "pw-101010", "key": MASK, "config": {"n": 1}}

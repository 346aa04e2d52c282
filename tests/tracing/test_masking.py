"""Secrets show neither in inputs nor in configs, results and exceptions."""

from dataclasses import dataclass, field

import pytest
from pydantic import BaseModel, Field, SecretBytes, SecretStr

import spearmint
from spearmint import Config, Spearmint
from spearmint.tracing.options import SECRET_KEYS
from spearmint.tracing.redaction import MASK, Redactor

masker = Redactor(SECRET_KEYS)
SECRET = "sk-4f9a77b1c2"


@pytest.mark.parametrize(
    "name",
    [
        *("api_key", "apikey", "API_KEY", "apiKey", "openai_api_key", "x-api-key", "password", "db_password", "passwd"),
        *("secret", "client_secret", "clientSecret", "token", "auth_token", "accessToken", "Authorization"),
        *("credentials", "private_key", "AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_names_of_secrets_are_known(name) -> None:
    assert masker.is_secret(name)


@pytest.mark.parametrize(
    "name",
    ["max_tokens", "tokens", "tokenizer", "token_count_", "key", "author", "secretary", "passage", "", 3, None],
)
def test_names_of_other_things_are_not(name) -> None:
    assert masker.is_secret(name) is (name == "token_count_")  # `token` stands there as a word of its own.


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("password=hunter22", f"password={MASK}"),
        ("password: hunter22, user: ann", f"password: {MASK}, user: ann"),
        ('{"api_key": "abc", "n": 1}', f'{{"api_key": {MASK}, "n": 1}}'),
        ("{'api_key': 'a b'}", f"{{'api_key': {MASK}}}"),
        ("Authorization: Bearer abc.def", f"Authorization: Bearer {MASK}"),
        ("GET /?token=abc&n=1", f"GET /?token={MASK}&n=1"),
        ("Client(api_key='abc')", f"Client(api_key={MASK})"),
        ("401 for bearer abcdef123", f"401 for bearer {MASK}"),
        ("max_tokens=5", "max_tokens=5"),
        ("no token was given", "no token was given"),
    ],
)
def test_a_text_loses_what_stands_after_such_a_name(text, hidden) -> None:
    assert masker.hide(text) == hidden


def test_known_secrets_are_hidden_wherever_they_stand_but_short_ones_are_left_in_words() -> None:
    assert masker.hide(f"<{SECRET}>", [SECRET]) == f"<{MASK}>"
    assert masker.hide("an apple", ["app"]) == "an apple"


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


def test_nothing_secret_stands_in_a_trace(traces) -> None:
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


def test_nothing_secret_stands_in_what_is_raised_also_where_another_config_has_it(traces) -> None:
    @Spearmint(configs=[{"api_key": "first-secret-1"}, {"api_key": "other-secret-2"}]).experiment()
    def fail(config: Config):
        raise ValueError(f"{config.api_key} failed after other-secret-2; password=hunter22")

    with pytest.raises(ValueError, match="first-secret-1"):
        fail()
    (trace,) = traces()
    text = everything_of(trace)
    assert not any(secret in text for secret in ("first-secret-1", "other-secret-2", "hunter22"))
    assert trace.data.spans[0].status.description == f"ValueError: {MASK} failed after {MASK}; password={MASK}"


def test_the_patterns_can_be_set(traces) -> None:
    spearmint.configure(tracing={"mask": ["iban", "card_?numbers?"]})

    @Spearmint(configs=[{"iban": "DE00123456"}]).experiment()
    def pay(card_number, token, config):
        return token

    pay("4111111", "tok-55")
    (trace,) = traces()
    assert trace.data.spans[0].inputs == {"card_number": MASK, "token": "tok-55", "config": {"iban": MASK}}


def test_without_patterns_only_secret_types_are_masked(traces) -> None:
    spearmint.configure(tracing={"mask": []})

    @Spearmint(configs=[{"n": 1}]).experiment()
    def call(password, key, config):
        return None

    call("pw-101010", SecretStr(SECRET))
    (trace,) = traces()
    assert trace.data.spans[0].inputs == {"password": "pw-101010", "key": MASK, "config": {"n": 1}}

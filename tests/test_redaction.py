"""Which names secrets have, which texts look like secrets, and what is left of both."""

from time import thread_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretBytes, SecretStr

import spearmint
from spearmint import redaction, secret_forms
from spearmint.errors import ConfigError
from spearmint.redaction import SECRET_KEYS, Redactor
from spearmint.secret_forms import MASK

redactor = Redactor()
TEXT_SECONDS = 2


@pytest.mark.parametrize(
    "name",
    [
        *("api_key", "apikey", "API_KEY", "apiKey", "openai_api_key", "x-api-key", "password", "db_password", "passwd"),
        *("secret", "client_secret", "clientSecret", "token", "auth_token", "accessToken", "Authorization"),
        *("credentials", "private_key", "AWS_SECRET_ACCESS_KEY", "pwd", "DB_PWD", "auth", "bearer", "jwt", "Cookie"),
        *("Set-Cookie", "cookies", "proxy-authorization", "AccountKey", "access_tokens", b"authorization"),
    ],
)
def test_names_of_secrets_are_known(name) -> None:
    assert redactor.is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "max_tokens",
            "tokens",
            "output_tokens",
            "tokenizer",
            "key",
            "author",
            "secretary",
            "passage",
            "cookiecutter",
        ),
        *("authority", "pwdx", "bearing", "", 3, None),
    ],
)
def test_other_names_are_no_secrets(name) -> None:
    assert not redactor.is_secret(name)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("password=hunter22", f"password={MASK}"),
        ("password: hunter22, user: ann", f"password: {MASK}, user: ann"),
        ("clientSecret=abc&n=1", f"clientSecret={MASK}&n=1"),
        ("API_KEY_PROD=abc", f"API_KEY_PROD={MASK}"),
        ('{"api_key": "abc", "n": 1}', f'{{"api_key": {MASK}, "n": 1}}'),
        ("{'api_key': 'a b'}", f"{{'api_key': {MASK}}}"),
        ("{'password': 'it\\'s', 'n': 1}", f"{{'password': {MASK}, 'n': 1}}"),
        ('{"secrets": ["a", "b"], "n": 1}', f'{{"secrets": {MASK}, "n": 1}}'),
        ("password='cut off at the en", f"password={MASK}"),
        ("GET /?token=abc&n=1", f"GET /?token={MASK}&n=1"),
        ("Client(api_key='abc')", f"Client(api_key={MASK})"),
        ("Server=db;User Id=sa;Pwd=x y;", f"Server=db;User Id=sa;Pwd={MASK} y;"),
        ("[('password', 'pw'), ('n', 'one')]", f"[('password', {MASK}), ('n', 'one')]"),
        ("(b'authorization', b'Digest x')", f"(b'authorization', {MASK})"),
        ("['login', '--password', 'pw-1']", f"['login', '--password', {MASK}]"),
        ("login --db-password pw-1 --verbose", f"login --db-password {MASK} --verbose"),
    ],
)
def test_text_after_secret_name_is_hidden(text, hidden) -> None:
    assert redactor.hide(text) == hidden


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Authorization: Bearer abc.def", f"Authorization: Bearer {MASK}"),
        ("Authorization: Digest a=b, c=d\nHost: x", f"Authorization: {MASK}\nHost: x"),
        ("Cookie: sid=abc; theme=dark", f"Cookie: {MASK}"),
        ("Set-Cookie: sid=abc; Path=/", f"Set-Cookie: {MASK}"),
        ("401 for bearer abcdef123", f"401 for bearer {MASK}"),
        ("used Basic YW5uOnB3ZA==", f"used Basic {MASK}"),
        ("https://ann:pw@host/path", f"https://ann:{MASK}@host/path"),
        ("redis://:pw@host:6379/0", f"redis://:{MASK}@host:6379/0"),
        ("postgresql+psycopg://ann:p/w@1@db/shop", f"postgresql+psycopg://ann:{MASK}@db/shop"),
        ("https://0123456789abcdef0123@sentry.example/1", f"https://{MASK}@sentry.example/1"),
        ("ann:pw@tcp(db:3306)/shop", f"ann:{MASK}@tcp(db:3306)/shop"),
        ("https://store/x?sp=r&sig=a%2Fb", f"https://store/x?sp=r&sig={MASK}"),
        ("key sk-proj-0123456789abcdef01", f"key {MASK}"),
        ("ghp_0123456789abcdef0123456789abcdef0123", MASK),
        ("AKIAIOSFODNN7EXAMPLE", MASK),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", MASK),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nrest", f"{MASK}\nrest"),
    ],
)
def test_text_of_secret_form_is_hidden(text, hidden) -> None:
    assert redactor.hide(text) == hidden


@pytest.mark.parametrize(
    "text",
    [
        *("max_tokens=5", "no token was given", "token: null", "auth=True", "a basic understanding", "Basic Functions"),
        *(
            "bearer instruments are rare",
            "https://host:8080/path?to=a@b.example",
            "sqlite:///runs.db",
            "ann@host.example",
        ),
        *("sk-learn-contrib-estimators", "Cookie cutter: sharp", "the password is easy to guess", "12:30@noon"),
    ],
)
def test_other_text_is_left_alone(text) -> None:
    assert redactor.hide(text) == text


PARTS = [
    *(
        "api_key",
        "Password",
        "PWD",
        "passphrase",
        "\u017fecret",
        "token",
        "token_\u0130",
        "auth",
        "Cookie",
        "credent\u0131als",
    ),
    *(
        "bearer ",
        "Authorization",
        "x-jwt",
        "monkey",
        "--",
        "-",
        "_",
        " ",
        "=",
        ": ",
        ":=",
        "=>",
        ",",
        "'",
        '"',
        "abcdef123456",
    ),
    *("[", "]", "{", "}", "none", "\n", "\\", "sk-abcdefgh12345678", "eyJabcdefgh.abcdefgh.abc", "Basic dXNlcjpwYXNz"),
]


@given(st.lists(st.sampled_from(PARTS), max_size=12).map("".join))
def test_hiding_by_stems_hides_what_plain_hiding_does(text) -> None:
    plain = Redactor((*SECRET_KEYS, "(?!)"))  # Of these patterns no stems are known.
    assert redactor.hide(text) == plain.hide(text)


@settings(max_examples=30)
@given(st.from_regex(secret_forms.compiled(secret_forms._TOKENS)))
def test_every_token_has_a_start_that_is_looked_for(text) -> None:
    assert any(start in text for start in secret_forms._TOKEN_STARTS)


def test_known_secrets_are_hidden_but_not_short_ones() -> None:
    assert redactor.hide("<sk-4f9a77b1c2>", ["sk-4f9a", "sk-4f9a77b1c2"]) == f"<{MASK}>"
    assert redactor.hide("an apple", ["app"]) == "an apple"


def test_redact_hides_in_mappings_pairs_and_headers() -> None:
    value = {
        "llm": {"api_key": "abc", "max_tokens": 5, "auth": False, "password": None},
        "headers": [("Authorization", "x"), ["n", 1], {"name": "Cookie", "value": "sid=1"}],
        "argv": ["run", "--password", "x", "--n", "1"],
        "url": "redis://:pw@host",
        "key": SecretStr("hidden"),
        "raw": (SecretBytes(b"hidden"), 3),
    }
    assert redactor.redact(value) == {
        "llm": {"api_key": MASK, "max_tokens": 5, "auth": False, "password": None},
        "headers": [("Authorization", MASK), ["n", 1], {"name": "Cookie", "value": MASK}],
        "argv": ["run", "--password", MASK, "--n", "1"],
        "url": f"redis://:{MASK}@host",
        "key": MASK,
        "raw": (MASK, 3),
    }
    assert value["llm"]["api_key"] == "abc"


def test_redact_leaves_pairs_of_sentences_alone() -> None:
    pair = ("What is a token?", "A piece of text.")
    assert redactor.redact(pair) == pair


def test_redact_ends_on_cyclic_value() -> None:
    value: list = []
    value.append(value)
    assert str(redactor.redact(value)).count("[") > 1


def test_secrets_in_finds_what_names_and_urls_hide() -> None:
    value = {
        "password": "first-1",
        "secrets": {"a": ["second-2"]},
        "pairs": [("token", "third-3")],
        "url": "amqp://ann:p%40ss@host",
        "key": SecretStr("fourth-4"),
        "auth": False,
        "name": "ann",
    }
    expected = {"first-1", "second-2", "third-3", "p%40ss", "p@ss", "fourth-4"}
    assert redactor.secrets_in(value) == expected


def test_patterns_of_process_follow_the_tracing_option() -> None:
    assert redaction.redactor().redact({"iban": "DE00", "token": "t"}) == {"iban": "DE00", "token": MASK}
    spearmint.configure(tracing={"mask": ["iban"]})
    assert redaction.redactor().redact({"iban": "DE00", "token": "t"}) == {"iban": MASK, "token": "t"}


def test_pattern_that_is_no_regular_expression_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Cannot mask names by '\(': it is no regular expression .*\. Escape what"):
        Redactor(["("])


@pytest.mark.parametrize(
    "text",
    ["a" * 100_000, "eyJ" * 30_000, "a://b:" * 20_000, "password" * 10_000, "password=" + " " * 100_000, "-" * 100_000],
    ids=["word", "tokens", "urls", "names", "spaces", "dashes"],
)
def test_hiding_in_odd_text_takes_linear_time(text) -> None:
    began = thread_time()
    redactor.hide(text)
    assert thread_time() - began < TEXT_SECONDS


def test_excerpt_ends_before_a_secret_that_it_parts() -> None:
    assert Redactor().excerpt("x" * 8 + " password=hunter22", 12) == "x" * 8 + " pas..."
    assert Redactor().excerpt("by hunter22", 12, ["hunter22"]) == f"by {MASK}"[:12] + "..."
    assert Redactor().excerpt("short", 12) == "short"


def test_redact_together_hides_a_secret_of_one_in_all() -> None:
    assert Redactor().redact_together({"password": "pw-123456"}, ["is pw-123456"]) == [
        {"password": MASK},
        [f"is {MASK}"],
    ]

"""Texts that are secret by their form: passwords of URLs and DSNs, keys that providers give out, bearer tokens.

Most texts lack the characters that a form must have, which is seen sooner than that there is no such form.
"""

import re
from base64 import b64decode
from functools import cache
from urllib.parse import unquote

MASK = "**********"

compiled = cache(re.compile)
"""Compile an expression on first use: most processes import Spearmint and hide nothing."""

# Both URLs and DSNs. In a URL of the web a slash ends the password; some databases' drivers allow one in it.
_URL = (
    r"(?i)(?<![a-z0-9+.-])(?P<before>(?:(?:https?|wss?)://[^\s:/@'\"]{0,256}:(?P<web>[^\s/?#'\"<>]{1,512})"
    r"|(?!https?:|wss?:)[a-z][a-z0-9+.-]{0,30}://[^\s:/@'\"]{0,256}:(?P<password>[^\s'\"<>]{1,512})))@"
)
_USERINFO = r"(?<=://)[\w-]{20,}(?=@)"
_GO_DSN = r"(?<![\w.-])(?P<user>[\w.-]{1,64}):(?P<password>[^\s@'\"]{1,256})(?=@(?:tcp|unix)\()"
_SIGNED = r"(?i)(?<=[?&])(?P<name>sig|signature|x-amz-signature|x-goog-signature)=[^\s&'\"]+"
_BASIC = r"\b(?P<scheme>[Bb]asic\s+)(?P<value>[A-Za-z0-9+/]{6,}={0,2})"
_BEARER = r"(?i)\b(?P<scheme>bearer\s+)(?:(?=[\w.~+/=-]*\d)[\w.~+/=-]{6,}|[\w.~+/=-]{20,})"
# Keys as the large providers write them, and forms that are a key of any provider.
_TOKENS = (
    r"(?<![\w-])(?:"
    r"sk-(?=[\w-]*\d)[\w-]{16,}"
    r"|[rs]k_(?:live|test)_\w{10,}|whsec_\w{16,}"
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|xox[abeprs]-[\w-]{10,}|hf_[A-Za-z0-9]{20,}|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{30,}"
    r"|AKIA[0-9A-Z]{16}|ASIA[0-9A-Z]{16}|AIza[\w-]{30,}|ya29\.[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
    r")"
)
# What a text has in it in which one of these is found.
_TOKEN_STARTS = (
    *("sk-", "k_live_", "k_test_", "whsec_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-"),
    *("xox", "hf_", "npm_", "pypi-", "AKIA", "ASIA", "AIza", "ya29.", "SG.", "eyJ"),
)
_PEM = r"(?s)-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)"


def without_passwords(text: str) -> str:
    """Return a text without private keys, and without the passwords of URLs and DSNs."""
    if "-----BEGIN" in text:
        text = compiled(_PEM).sub(MASK, text)
    if "@" in text:
        if "://" in text:
            text = compiled(_USERINFO).sub(MASK, compiled(_URL).sub(_without_password, text))
        text = compiled(_GO_DSN).sub(rf"\g<user>:{MASK}", text)
    return text


def passwords_in(text: str) -> set[str]:
    """Return the passwords of the URLs and DSNs in a text, as they stand there and decoded."""
    if "@" not in text or "://" not in text:
        return set()
    found = {match["web"] or match["password"] for match in compiled(_URL).finditer(text)}
    return found | {unquote(one) for one in found}


def _without_password(found: re.Match[str]) -> str:
    password: str = found["web"] or found["password"]
    return f"{found['before'][: -len(password)]}{MASK}@"


def without_tokens(text: str) -> str:
    """Return a text without signatures of URLs, keys of providers, and what stands after "Basic" and "Bearer"."""
    if "=" in text and ("?" in text or "&" in text):
        text = compiled(_SIGNED).sub(rf"\g<name>={MASK}", text)
    if any(one in text for one in _TOKEN_STARTS):
        text = compiled(_TOKENS).sub(MASK, text)
    if "asic" in text:
        text = compiled(_BASIC).sub(_basic, text)
    return compiled(_BEARER).sub(rf"\g<scheme>{MASK}", text) if "bearer" in text.lower() else text


def _basic(found: re.Match[str]) -> str:
    """Mask user and password, but no word after the word "basic"."""
    try:
        is_pair = b":" in b64decode(found["value"] + "=" * (-len(found["value"]) % 4))
    except ValueError:
        return found[0]
    return f"{found['scheme']}{MASK}" if is_pair else found[0]

"""Who may see the page, and who may change state: the browser that was given the address which the command printed."""

import hmac
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

COOKIE = "spearmint-token"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def refusal(request: Request, token: str) -> Response | None:
    """Return what a request gets that may not be answered; None for one that may.

    A page of another origin cannot read the token, its requests carry no cookie of ours (``SameSite=Strict``), and a
    name that leads to loopback is no host of ours.

    Args:
        request: The request.
        token: What the address that the command prints carries.
    """
    host = request.url.hostname
    if host not in _LOOPBACK:
        return PlainTextResponse(f"This page is served to loopback alone, not as {host!r}.", 421)
    given = request.query_params.get("token")
    if given is not None and request.method == "GET" and is_same(given, token):
        answer = RedirectResponse(str(request.url.remove_query_params("token")), 303)
        answer.set_cookie(COOKIE, token, httponly=True, samesite="strict")
        return answer
    if not is_same(request.cookies.get(COOKIE, ""), token):
        return PlainTextResponse("Open the address that `spearmint ui` has printed: it has the token in it.", 403)
    if request.method != "GET" and not _is_same_origin(request):
        return PlainTextResponse("State is changed from this page alone.", 403)
    return None


def is_same(given: str, token: str) -> bool:
    """Compare secrets in a time that tells nothing of them."""
    return hmac.compare_digest(given.encode(), token.encode())


def guarded(answer: Response) -> Response:
    """Return an answer with the headers that let it load nothing from elsewhere, and keep it out of frames."""
    for name, value in _HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer


def _is_same_origin(request: Request) -> bool:
    """Tell whether a request comes from a page of this server; one that does not say is none."""
    origin = request.headers.get("origin", "")
    return urlsplit(origin).netloc == request.url.netloc and urlsplit(origin).scheme == request.url.scheme

"""ASGI: each request runs with attributes of its own, which strategies may read."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import nullcontext
from typing import Any, TypeAlias

from spearmint.context.current import RuntimeContext
from spearmint.errors import DeclarationError
from spearmint.planning.forcing import forcing
from spearmint.registry.forced import parse_forced
from spearmint.warn import warn_once

ASGIScope: TypeAlias = MutableMapping[str, Any]
ASGIReceive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
ASGISend: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[ASGIScope, ASGIReceive, ASGISend], Awaitable[None]]

_REQUESTS = ("http", "websocket")


class RuntimeContextMiddleware:
    """Run each request of an ASGI application in a `spearmint.context.RuntimeContext`.

    It works with every ASGI server and framework, as ``app.add_middleware(RuntimeContextMiddleware, headers=...)`` in
    Starlette and FastAPI, or around the application: ``RuntimeContextMiddleware(app, ...)``. Functions that the
    framework hands to its thread pool see the attributes too.

    Args:
        app: The application.
        headers: From the name of a request header, in any case, to the attribute that has its value, a string. A header
            that a request lacks gives no attribute; of one that is sent several times, the first counts.
        attributes: Called with the ASGI scope of each request, returns further attributes, which win over headers.
        force: From the name of a request header to a function of the ASGI scope, async or not, that tells whether the
            person who sends it may force configs: for people who want to see one. The header reads
            ``target=config_id``, several with commas between; ``*`` in a target stands for any text. The request has no
            variants and no exposures of these experiments. A header that is not allowed, or reads otherwise, is
            ignored; the second kind is warned of once. What is switched off stays off.

    Raises:
        DeclarationError: If ``headers`` is no mapping between names, ``attributes`` cannot be called, or ``force`` is
            no mapping from names to functions.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        headers: Mapping[str, str] | None = None,
        attributes: Callable[[ASGIScope], Mapping[str, Any]] | None = None,
        force: Mapping[str, Callable[[ASGIScope], bool | Awaitable[bool]]] | None = None,
    ) -> None:
        if headers is not None and not _maps_names(headers):
            message = (
                f"Cannot take attributes from headers {headers!r}: it is no mapping between names. "
                "Give one from header to attribute, such as {'x-user-id': 'user_id'}."
            )
            raise DeclarationError(message)
        if attributes is not None and not callable(attributes):
            message = (
                f"Cannot use {attributes!r} as attributes: it cannot be called. Give a function of the ASGI scope."
            )
            raise DeclarationError(message)
        if force is not None and not _maps_to_functions(force):
            message = (
                f"Cannot force configs by {force!r}: it is no mapping from headers to functions. Give one that tells "
                "who may, such as {'x-spearmint-force': is_one_of_us}."
            )
            raise DeclarationError(message)
        self.app = app
        self._names = {name.lower().encode("latin-1"): attribute for name, attribute in (headers or {}).items()}
        self._attributes = attributes
        self._allowing = {name.lower().encode("latin-1"): allow for name, allow in (force or {}).items()}

    async def __call__(self, scope: ASGIScope, receive: ASGIReceive, send: ASGISend) -> None:
        """Serve one request, or pass on what is none, such as the lifespan.

        Raises:
            Exception: What the functions given as ``attributes`` and ``force`` raise, and what the application raises.
            DeclarationError: If that function returns no mapping.
        """
        if scope["type"] not in _REQUESTS:
            await self.app(scope, receive, send)
            return
        # First of all the context itself says what is wrong with attributes that are no mapping.
        given = None if self._attributes is None else self._attributes(scope)
        forced = await self._forced(scope)
        around = forcing(forced) if forced else nullcontext()
        with RuntimeContext(attributes=self._from_headers(scope)), RuntimeContext(attributes=given), around:
            await self.app(scope, receive, send)

    async def _forced(self, scope: ASGIScope) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in scope["headers"] if self._allowing else ():
            allow = self._allowing.get(name)
            if allow is None:
                continue
            is_allowed = allow(scope)
            if await is_allowed if inspect.isawaitable(is_allowed) else is_allowed:
                try:
                    found.update(parse_forced(value.decode("latin-1"), name.decode("latin-1")))
                except DeclarationError as error:
                    warn_once(("force", "header"), f"A request is served as if it forced nothing. {error}")
        return found

    def _from_headers(self, scope: ASGIScope) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in scope["headers"] if self._names else ():
            attribute = self._names.get(name)  # ASGI has header names in lower case.
            if attribute is not None:
                found.setdefault(attribute, value.decode("latin-1"))
        return found


def _maps_to_functions(force: Any) -> bool:
    return isinstance(force, Mapping) and all(isinstance(name, str) and callable(one) for name, one in force.items())


def _maps_names(headers: Any) -> bool:
    return isinstance(headers, Mapping) and all(isinstance(one, str) for item in headers.items() for one in item)

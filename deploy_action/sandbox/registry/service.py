"""All registries of one sandbox: authorisation and routing.

A `interfaces.Service` for the hosts ``<name>.azurecr.io`` and the platform's `interfaces.Images`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

from aiohttp import web

from deploy_action.sandbox.interfaces import Image
from deploy_action.sandbox.registry import errors, images, metadata
from deploy_action.sandbox.registry.contents import Contents, Route
from deploy_action.sandbox.registry.embedded import Embedded, chunks
from deploy_action.sandbox.registry.errors import Refusal
from deploy_action.sandbox.registry.images import Pulled
from deploy_action.sandbox.registry.stand_ins import StandIns
from deploy_action.sandbox.registry.tokens import Gate, Scope, Sent, basic_credentials
from deploy_action.sandbox.registry.upstream import Upstream

_FORM_LIMIT: Final = 64 * 1024
_RATE_LIMIT: Final = "166.65"  # the header is on every recorded answer of the token endpoints
_NEEDS: Final[Mapping[str, str]] = {
    "GET": "pull",
    "HEAD": "pull",
    "POST": "push",
    "PUT": "push",
    "PATCH": "push",
    "DELETE": "delete",
}


class Registry:
    """The registries of one sandbox.

    Args:
        directory: where contents are kept (or cached, with *upstream*).
        hosts: the registries' names, such as ``contoso.azurecr.io``.
        check_token: whether an Entra token is valid for registries.
        owner: returns the object id of an Entra token.
        allows: whether an object id may perform an action on a host; everything without it.
        upstream: ``http://127.0.0.1:port`` of a real registry that keeps the contents instead.
        strict: whether images of public registries are refused instead of replaced.
    """

    def __init__(
        self,
        *,
        directory: Path,
        hosts: Sequence[str],
        check_token: Callable[[str], bool],
        owner: Callable[[str], str] = lambda _: "",
        allows: Callable[[str, str, str], bool] = lambda *_: True,
        upstream: str | None = None,
        strict: bool = False,
    ) -> None:
        self.stand_ins = StandIns(strict=strict)
        self.directory = directory
        self.upstream = upstream
        self._make_gate = partial(Gate, check_token=check_token, owner=owner, allows=allows)
        self._gates: dict[str, Gate] = {}
        self._contents: dict[str, Contents] = {}
        for host in hosts:
            self.add(host)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The registries' host names."""
        return tuple(self._contents)

    def add(self, host: str) -> None:
        """Create an empty registry."""
        host = host.lower()
        name = host.partition(".")[0]
        self._gates[host] = self._make_gate(host)
        self._contents[host] = (
            Upstream(self.upstream, name, self.directory / name)
            if self.upstream
            else Embedded(self.directory / name)
        )

    async def start(self) -> None:
        """Do nothing; exists so that all parts have the same interface."""

    async def close(self) -> None:
        """Close connections."""
        for contents in self._contents.values():
            await contents.close()

    # --- the platform's side -------------------------------------------------------------------

    async def resolve(self, reference: str) -> Image:
        """Look up ``host/repository:tag`` or ``…@sha256:…``.

        Raises:
            ImageNotFound: with the text that the platform would quote after "Invalid value: …: ".
        """
        return self.stand_ins.image(reference) or await images.resolve(self._contents, reference)

    async def pull(self, reference: str) -> Pulled:
        """Return the image with the files of its layers; raises `ImageNotFound`."""
        if stand_in := self.stand_ins.image(reference):
            return Pulled(image=stand_in, config={}, layers=())
        return await images.pull(self._contents, reference)

    def contents(self, host: str) -> Contents:
        """Return the contents of *host*, to store an image without going through HTTP.

        Raises:
            ValueError: there is no such registry here.
        """
        if host.lower() not in self._contents:
            raise ValueError(
                f"'{host}' is not one of the sandbox's registries: {', '.join(self.hosts)}"
            )
        return self._contents[host.lower()]

    def password(self, host: str) -> str:
        """Return a fresh refresh token: the null user's password, for the platform's own pulls."""
        return self._gates[host.lower()].refresh_token()

    def admin(self, host: str) -> tuple[str, str]:
        """Return the registry's admin user and its password."""
        return self._gates[host.lower()].admin

    # --- HTTP ----------------------------------------------------------------------------------

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request for a registry's host."""
        host = request.host.partition(":")[0].lower()
        try:
            response = await self._answer(request, host)
        except Refusal as refusal:
            response = refusal.response()
        if not response.prepared:
            response.headers["Server"] = errors.SERVER
            response.headers.setdefault("Docker-Distribution-Api-Version", "registry/2.0")
        return response

    async def _answer(self, request: web.BaseRequest, host: str) -> web.StreamResponse:
        gate = self._gates.get(host)
        if gate is None:
            raise errors.name_invalid(f"{host} is not one of the sandbox's registries")
        if request.path.startswith("/oauth2/"):
            return await self._token(request, gate)
        contents = self._contents[host]
        if request.path.startswith("/acr/v1/"):
            return await self._metadata(request, gate, contents)
        route = Route.of(request.path)
        if route is None:
            raise errors.name_invalid(request.path)
        for scope in _needed(request, route):
            gate.allow(request.headers.get("Authorization", ""), scope)
        return await contents.serve(request, route)

    async def _token(self, request: web.BaseRequest, gate: Gate) -> web.Response:
        sent = await _sent(request)
        if (request.method, request.path) == ("POST", "/oauth2/exchange"):
            body = gate.exchange(sent)
        elif request.path == "/oauth2/token" and request.method in {"GET", "POST"}:
            body = gate.token(sent)
        else:
            raise errors.unsupported(f"{request.method} {request.path}")
        return web.json_response(
            body, headers={"x-ms-ratelimit-remaining-calls-per-second": _RATE_LIMIT}
        )

    async def _metadata(
        self, request: web.BaseRequest, gate: Gate, contents: Contents
    ) -> web.Response:
        authorization = request.headers.get("Authorization", "")
        if request.path == "/acr/v1/_catalog":
            gate.allow(authorization, _CATALOG)
            return web.json_response({"repositories": await contents.repositories()})
        repository = metadata.repository_of(request.path)
        if repository is None:
            raise errors.name_invalid(request.path)
        action = "delete" if request.method == "DELETE" else "metadata_read"
        try:
            gate.allow(authorization, Scope("repository", repository, frozenset({action})))
        except Refusal:
            # A token for pulling may also read an image's metadata.
            if action == "delete":
                raise
            gate.allow(authorization, Scope("repository", repository, frozenset({"pull"})))
        return await metadata.serve(request, gate.host, contents)


_CATALOG: Final = Scope("registry", "catalog", frozenset({"*"}))


def _needed(request: web.BaseRequest, route: Route) -> list[Scope | None]:
    """Return what a request needs: nothing but a token for the base, else scopes."""
    if route.kind == "base":
        return [None]
    if route.kind == "catalog":
        return [_CATALOG]
    action = _NEEDS.get(request.method, "push")
    actions = {"push", "pull"} if action == "push" else {action}
    scopes: list[Scope | None] = [Scope("repository", route.repository, frozenset(actions))]
    source = request.query.get("from", "")
    if route.kind == "uploads" and source:
        scopes.append(Scope("repository", source, frozenset({"pull"})))
    return scopes


async def _sent(request: web.BaseRequest) -> Sent:
    """Read form, query and basic credentials of a token request."""
    body = b""
    async for chunk in chunks(request):
        body += chunk
        if len(body) > _FORM_LIMIT:
            raise Refusal(413, "BAD_REQUEST", "the form is too large")
    text = body.decode("utf-8", "replace") if body else request.query_string
    return Sent(parse_qs(text), basic_credentials(request.headers.get("Authorization", "")))

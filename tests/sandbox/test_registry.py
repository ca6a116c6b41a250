"""A registry through real clients: sign-in, push and pull, with both kinds of storage."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from deploy_action.sandbox.interfaces import ImageNotFound
from deploy_action.sandbox.registry import DebianRegistry, Registry
from tests.support.sandbox_parts import BackgroundLoop, Client

HOST = "contoso.azurecr.io"
OTHER = "fabrikam.azurecr.io"
GOOD = "an-entra-token"
NULL_USER = "00000000-0000-0000-0000-000000000000"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
def backstage() -> Iterator[BackgroundLoop]:
    with BackgroundLoop() as stage:
        yield stage


@pytest.fixture(params=["own", "debian"])
def registry(request: pytest.FixtureRequest, backstage: BackgroundLoop, tmp_path: Path) -> Registry:
    upstream = None
    if request.param == "debian":
        debian = DebianRegistry(tmp_path / "debian")
        upstream = backstage.run(debian.start())
        backstage.at_end(debian.close)
    registry = Registry(
        directory=tmp_path / "registry",
        hosts=[HOST, OTHER],
        check_token=lambda token: token == GOOD,
        upstream=upstream,
    )
    backstage.run(registry.start())
    backstage.at_end(registry.close)
    return registry


@pytest.fixture
def url(backstage: BackgroundLoop, registry: Registry) -> str:
    return backstage.serve(registry.handle)


class Pusher:
    """A client of the distribution API that handles tokens."""

    def __init__(self, url: str, host: str, repository: str, actions: str = "pull,push") -> None:
        self.client = Client(url, host)
        self.repository = repository
        refresh = self.client(
            "POST",
            "/oauth2/exchange",
            data={"grant_type": "access_token", "service": host, "access_token": GOOD},
        ).json()["refresh_token"]
        token = self.client(
            "POST",
            "/oauth2/token",
            data={
                "grant_type": "refresh_token",
                "service": host,
                "scope": f"repository:{repository}:{actions}",
                "refresh_token": refresh,
            },
        ).json()["access_token"]
        self.headers = {"Authorization": f"Bearer {token}"}

    def __call__(self, method: str, path: str, **about: Any) -> requests.Response:
        headers = {**self.headers, **about.pop("headers", {})}
        if not path.startswith("/v2/"):
            path = f"/v2/{self.repository}/{path}"
        return self.client(method, path, headers=headers, **about)

    def blob(self, data: bytes) -> str:
        """Push a blob in one piece, as most clients do; return its digest."""
        digest = digest_of(data)
        start = self("POST", "blobs/uploads/")
        assert start.status_code == 202
        mark = "&" if "?" in start.headers["Location"] else "?"
        end = self("PUT", f"{start.headers['Location']}{mark}digest={digest}", data=data)
        assert end.status_code == 201
        assert end.headers["Docker-Content-Digest"] == digest
        return digest

    def image(self, tag: str, *, run: dict[str, Any] | None = None) -> str:
        """Push a small image; return its digest."""
        config = json.dumps(
            {"architecture": "amd64", "os": "linux", "config": run or {}, "rootfs": {}}
        ).encode()
        layer = b"not really a layer, but nobody looks"
        body = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": DOCKER_MANIFEST,
                "config": {
                    "mediaType": "application/vnd.docker.container.image.v1+json",
                    "size": len(config),
                    "digest": self.blob(config),
                },
                "layers": [
                    {
                        "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                        "size": len(layer),
                        "digest": self.blob(layer),
                    }
                ],
            }
        ).encode()
        reply = self.manifest(tag, body)
        assert reply.status_code == 201, reply.text
        return digest_of(body)

    def manifest(self, tag: str, body: bytes, kind: str = DOCKER_MANIFEST) -> requests.Response:
        return self("PUT", f"manifests/{tag}", data=body, headers={"Content-Type": kind})


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def refusal(reply: requests.Response) -> tuple[int, str, str]:
    """The status, code and message of an answer in the registry's error form."""
    (error,) = reply.json()["errors"]
    assert set(error) >= {"code", "message"}
    return reply.status_code, error["code"], error["message"]


# --- sign-in ---------------------------------------------------------------------------------


def test_an_anonymous_request_gets_a_challenge(url: str) -> None:
    client = Client(url, HOST)
    reply = client("GET", "/v2/")
    assert reply.headers["WWW-Authenticate"] == (
        f'Bearer realm="https://{HOST}/oauth2/token",service="{HOST}"'
    )
    assert reply.headers["Server"] == "AzureContainerRegistry"
    assert refusal(reply) == (
        401,
        "UNAUTHORIZED",
        "authentication required, visit https://aka.ms/acr/authorization for more information.",
    )
    for method, actions in [("GET", "pull"), ("PUT", "pull,push"), ("DELETE", "delete")]:
        challenge = client(method, "/v2/team/api/manifests/1").headers["WWW-Authenticate"]
        assert challenge.endswith(f',scope="repository:team/api:{actions}"')


def test_an_entra_token_becomes_a_refresh_token_becomes_an_access_token(url: str) -> None:
    for tenant in ({}, {"tenant": "72f988bf-86f1-41af-91ab-2d7cd011db47"}):
        form = {"grant_type": "access_token", "service": HOST, "access_token": GOOD, **tenant}
        reply = Client(url, HOST)("POST", "/oauth2/exchange", data=form)
        assert reply.status_code == 200
        assert list(reply.json()) == ["refresh_token"]
        assert "x-ms-ratelimit-remaining-calls-per-second" in reply.headers
    pusher = Pusher(url, HOST, "api")
    assert pusher("GET", "/v2/").status_code == 200


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"access_token": "of-another-audience"}, 401),
        ({"access_token": ""}, 401),
        ({"service": OTHER}, 400),
        ({"grant_type": "password"}, 400),
    ],
)
def test_the_exchange_takes_nothing_else(url: str, change: dict[str, str], status: int) -> None:
    form = {"grant_type": "access_token", "service": HOST, "access_token": GOOD, **change}
    reply = Client(url, HOST)("POST", "/oauth2/exchange", data=form)
    assert refusal(reply)[0] == status
    assert GOOD not in reply.text


def test_docker_signs_in_with_a_null_user_and_the_refresh_token(url: str) -> None:
    client = Client(url, HOST)
    form = {"grant_type": "access_token", "service": HOST, "access_token": GOOD}
    refresh = client("POST", "/oauth2/exchange", data=form).json()["refresh_token"]
    query = {"service": HOST, "scope": "repository:api:pull", "account": NULL_USER}
    by_get = client("GET", "/oauth2/token", params=query, auth=(NULL_USER, refresh))
    assert by_get.status_code == 200
    bearer = {"Authorization": f"Bearer {by_get.json()['access_token']}"}
    assert client("GET", "/v2/api/manifests/1", headers=bearer).status_code == 404
    by_post = client(
        "POST",
        "/oauth2/token",
        data={
            "grant_type": "password",
            "service": HOST,
            "scope": "repository:api:pull",
            "username": NULL_USER,
            "password": refresh,
        },
    )
    assert by_post.status_code == 200
    for user, password in [("somebody", refresh), (NULL_USER, "guessed"), (NULL_USER, "")]:
        reply = client("GET", "/oauth2/token", params=query, auth=(user, password))
        assert refusal(reply)[:2] == (401, "UNAUTHORIZED")


def test_a_token_is_valid_only_for_its_scope_kind_and_registry(url: str) -> None:
    Pusher(url, HOST, "api").image("1")
    reader = Pusher(url, HOST, "api", "pull")
    assert reader("GET", "manifests/1").status_code == 200
    refused = reader("POST", "blobs/uploads/")
    assert refused.status_code == 401
    assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]
    assert reader("GET", "/v2/other/manifests/1").status_code == 401
    assert reader("DELETE", f"manifests/{'sha256:' + 'a' * 64}").status_code == 401
    elsewhere = Client(url, OTHER)("GET", "/v2/", headers=reader.headers)
    assert elsewhere.status_code == 401
    assert 'error="invalid_token"' in elsewhere.headers["WWW-Authenticate"]
    refresh = Client(url, HOST)(
        "POST",
        "/oauth2/exchange",
        data={"grant_type": "access_token", "service": HOST, "access_token": GOOD},
    ).json()["refresh_token"]
    as_bearer = {"Authorization": f"Bearer {refresh}"}
    assert Client(url, HOST)("GET", "/v2/", headers=as_bearer).status_code == 401


def test_a_token_cannot_be_widened_by_its_holder(url: str) -> None:
    reader = Pusher(url, HOST, "api", "pull")
    head, claims, mac = reader.headers["Authorization"].removeprefix("Bearer ").split(".")
    content = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert content["exp"] > content["iat"]
    content["access"] = [{"type": "repository", "name": "api", "actions": ["*"]}]
    wider = base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
    reader.headers = {"Authorization": f"Bearer {head}.{wider}.{mac}"}
    assert reader("GET", "manifests/1").status_code == 401


# --- push and pull -----------------------------------------------------------------------------


def test_what_was_pushed_is_pulled_by_tag_and_by_digest(url: str) -> None:
    pusher = Pusher(url, HOST, "team/api")
    digest = pusher.image("1.2.3")
    by_tag = pusher("GET", "manifests/1.2.3", headers={"Accept": DOCKER_MANIFEST})
    by_digest = pusher("GET", f"manifests/{digest}", headers={"Accept": DOCKER_MANIFEST})
    assert by_tag.content == by_digest.content
    assert digest_of(by_tag.content) == digest == by_tag.headers["Docker-Content-Digest"]
    assert by_tag.headers["Content-Type"] == DOCKER_MANIFEST
    head = pusher("HEAD", "manifests/1.2.3", headers={"Accept": DOCKER_MANIFEST})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Docker-Content-Digest"] == digest
    layer = by_tag.json()["layers"][0]
    blob = pusher("GET", f"blobs/{layer['digest']}")
    assert digest_of(blob.content) == layer["digest"]
    assert (
        int(pusher("HEAD", f"blobs/{layer['digest']}").headers["Content-Length"]) == layer["size"]
    )


def test_a_part_of_a_blob_can_be_asked_for(url: str) -> None:
    pusher = Pusher(url, HOST, "api")
    digest = pusher.blob(b"0123456789")
    reply = pusher("GET", f"blobs/{digest}", headers={"Range": "bytes=3-5"})
    assert (reply.status_code, reply.content) == (206, b"345")


def test_a_large_blob_arrives_in_chunks_and_whole(url: str) -> None:
    pusher = Pusher(url, HOST, "api")
    data = bytes(range(256)) * 40_000  # 10 MB, far beyond any whole-body limit of a framework
    location = pusher("POST", "blobs/uploads/").headers["Location"]
    third = len(data) // 3
    first = pusher(
        "PATCH",
        location,
        data=data[:third],
        headers={"Content-Range": f"0-{third - 1}", "Content-Type": "application/octet-stream"},
    )
    assert (first.status_code, first.headers["Range"]) == (202, f"0-{third - 1}")
    second = pusher("PATCH", first.headers["Location"], data=iter([data[third : 2 * third]]))
    assert second.status_code == 202
    location = second.headers["Location"]
    mark = "&" if "?" in location else "?"
    digest = digest_of(data)
    last = pusher("PUT", f"{location}{mark}digest={digest}", data=data[2 * third :])
    assert last.status_code == 201
    assert pusher("GET", f"blobs/{digest}").content == data


def test_a_blob_with_a_wrong_digest_is_refused(url: str) -> None:
    pusher = Pusher(url, HOST, "api")
    location = pusher("POST", "blobs/uploads/").headers["Location"]
    mark = "&" if "?" in location else "?"
    wrong = digest_of(b"something else")
    assert refusal(pusher("PUT", f"{location}{mark}digest={wrong}", data=b"x"))[:2] == (
        400,
        "DIGEST_INVALID",
    )
    assert pusher("GET", f"blobs/{wrong}").status_code == 404
    body = b'{"schemaVersion": 2}'
    assert pusher.manifest(digest_of(b"another manifest"), body).status_code == 400


def test_a_manifest_whose_blobs_are_missing_is_refused(url: str) -> None:
    pusher = Pusher(url, HOST, "api")
    nowhere = {"mediaType": "x", "size": 1, "digest": "sha256:" + "0" * 64}
    body = {"schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": nowhere, "layers": []}
    status, code, _ = refusal(pusher.manifest("1", json.dumps(body).encode()))
    assert (status, code) == (400, "MANIFEST_BLOB_UNKNOWN")


def test_not_found_errors_match_azures(url: str) -> None:
    pusher = Pusher(url, HOST, "api")
    assert refusal(pusher("GET", "manifests/latest")) == (
        404,
        "MANIFEST_UNKNOWN",
        'manifest tagged by "latest" is not found',
    )
    nowhere = "sha256:" + "0" * 64
    assert refusal(pusher("GET", f"manifests/{nowhere}"))[:2] == (404, "MANIFEST_UNKNOWN")
    assert refusal(pusher("GET", f"blobs/{nowhere}"))[:2] == (404, "BLOB_UNKNOWN")
    assert refusal(pusher("GET", "tags/list"))[:2] == (404, "NAME_UNKNOWN")


def test_a_blob_is_mounted_from_a_repository_that_the_token_may_read(url: str) -> None:
    digest = Pusher(url, HOST, "base").blob(b"shared")
    narrow = Pusher(url, HOST, "api")
    assert narrow("POST", f"blobs/uploads/?mount={digest}&from=base").status_code == 401
    wide = Pusher(url, HOST, "api", "pull,push repository:base:pull")
    mounted = wide("POST", f"blobs/uploads/?mount={digest}&from=base")
    assert mounted.status_code == 201
    assert mounted.headers["Location"] == f"/v2/api/blobs/{digest}"
    assert wide("GET", f"blobs/{digest}").content == b"shared"
    nowhere = "sha256:" + "0" * 64
    assert wide("POST", f"blobs/uploads/?mount={nowhere}&from=base").status_code == 202


def test_tags_come_in_pages(url: str) -> None:
    pusher = Pusher(url, HOST, "api")
    for tag in ("3", "1", "2"):
        pusher.image(tag)
    assert pusher("GET", "tags/list").json() == {"name": "api", "tags": ["1", "2", "3"]}
    first = pusher("GET", "tags/list?n=2")
    assert first.json()["tags"] == ["1", "2"]
    following = first.links["next"]["url"]
    second = pusher("GET", following)
    assert second.json()["tags"] == ["3"]
    assert "next" not in second.links


def test_a_deleted_manifest_takes_its_tags_along(url: str) -> None:
    pusher = Pusher(url, HOST, "api", "pull,push,delete")
    digest = pusher.image("1")
    pusher.image("2", run={"Cmd": ["other"]})
    assert pusher("DELETE", f"manifests/{digest}").status_code == 202
    assert pusher("GET", "manifests/1").status_code == 404
    assert pusher("GET", "manifests/2").status_code == 200


def test_registries_are_isolated(url: str) -> None:
    Pusher(url, HOST, "api").image("1")
    assert Pusher(url, OTHER, "api")("GET", "manifests/1").status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/v2/../../etc/passwd", "/v2/api/blobs/sha256:..%2f..%2fx", "/v2/API/tags/list", "/v3/"],
)
def test_invalid_paths_are_refused(url: str, path: str) -> None:
    pusher = Pusher(url, HOST, "api")
    prepared = requests.Request("GET", url, headers={"Host": HOST, **pusher.headers}).prepare()
    prepared.url = url + path  # as it is, without a client's tidying
    with requests.Session() as session:
        session.trust_env = False
        reply = session.send(prepared, timeout=10)
    assert reply.status_code in {400, 401, 404}
    assert "root:" not in reply.text


# --- the platform's side -----------------------------------------------------------------------


def test_the_platform_reads_what_a_client_pushed(
    url: str, registry: Registry, backstage: BackgroundLoop
) -> None:
    run = {
        "Entrypoint": ["python"],
        "Cmd": ["app.py"],
        "Env": ["VERSION=1", "EMPTY="],
        "WorkingDir": "/app",
    }
    digest = Pusher(url, HOST, "api").image("1", run=run)
    by_tag = backstage.run(registry.resolve(f"{HOST}/api:1"))
    assert (by_tag.digest, by_tag.working_directory) == (digest, "/app")
    assert (tuple(by_tag.entrypoint), tuple(by_tag.command)) == (("python",), ("app.py",))
    assert by_tag.environment == {"VERSION": "1", "EMPTY": ""}
    by_digest = backstage.run(registry.resolve(f"{HOST}/api@{digest}"))
    assert by_digest.digest == digest


def test_an_image_of_several_platforms_is_run_as_linux_amd64(
    url: str, registry: Registry, backstage: BackgroundLoop
) -> None:
    pusher = Pusher(url, HOST, "api")
    children = [
        {
            "mediaType": DOCKER_MANIFEST,
            "digest": pusher.image(name, run={"Cmd": [name]}),
            "size": 500,
            "platform": {"os": "linux", "architecture": name},
        }
        for name in ("arm64", "amd64")
    ]
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}).encode()
    assert pusher.manifest("1", body, OCI_INDEX).status_code == 201
    image = backstage.run(registry.resolve(f"{HOST}/api:1"))
    assert tuple(image.command) == ("amd64",)
    assert image.digest == digest_of(body)


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        (
            f"{HOST}/api",
            (
                'GET https:: MANIFEST_UNKNOWN: manifest tagged by "latest" is not found; '
                "map[Tag:latest]"
            ),
        ),
        (
            "nowhere.azurecr.io/api:1",
            (
                'Get "https://nowhere.azurecr.io/v2/": dial tcp: lookup nowhere.azurecr.io: '
                "no such host"
            ),
        ),
        ("not an image", "could not parse reference: "),
    ],
)
def test_a_missing_image_is_reported_with_the_platforms_message(
    registry: Registry, backstage: BackgroundLoop, reference: str, text: str
) -> None:
    with pytest.raises(ImageNotFound, match=re.escape(text)):
        backstage.run(registry.resolve(reference))


def test_tags_are_shown_as_the_azure_cli_asks_for_them(url: str) -> None:
    pusher = Pusher(url, HOST, "team/api", "pull,push,metadata_read")
    digest = pusher.image("1")
    pusher.image("2", run={"Cmd": ["other"]})
    reply = pusher.client(
        "GET", "/acr/v1/team/api/_tags?n=100&orderby=timedesc", headers=pusher.headers
    )
    body = reply.json()
    assert (body["registry"], body["imageName"]) == (HOST, "team/api")
    assert {tag["name"] for tag in body["tags"]} == {"1", "2"}
    assert next(tag["digest"] for tag in body["tags"] if tag["name"] == "1") == digest
    single = pusher.client("GET", "/acr/v1/team/api/_tags/1", headers=pusher.headers).json()
    assert single["tag"]["digest"] == digest
    manifests = pusher.client("GET", "/acr/v1/team/api/_manifests", headers=pusher.headers).json()
    assert {tuple(single["tags"]) for single in manifests["manifests"]} == {("1",), ("2",)}
    assert pusher.client("GET", "/acr/v1/team/api/_tags").status_code == 401

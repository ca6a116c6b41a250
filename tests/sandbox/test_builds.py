"""Remote builds through a client: upload, schedule, poll, read the log, pull the image."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from aiohttp import web

from deploy_action.sandbox.acr_tasks import Builder, Tasks
from deploy_action.sandbox.interfaces import Image
from deploy_action.sandbox.registry import Registry
from tests.support.sandbox_parts import BackgroundLoop, Client

HOST = "contoso.azurecr.io"
HOME = "/subscriptions/1111/resourceGroups/shop"
RESOURCE = f"{HOME}/providers/Microsoft.ContainerRegistry/registries/contoso"
DOCKERFILE = """\
FROM python:3.13-slim
WORKDIR /app
COPY app.py .
CMD ["python", "app.py"]
"""


@dataclass
class Service:
    """A client of the build service, and the registry."""

    arm: Client
    store: Client
    registry: Registry
    backstage: BackgroundLoop

    def post(self, path: str, body: Any = None) -> requests.Response:
        return self.arm("POST", f"{RESOURCE}{path}?api-version=2019-06-01-preview", json=body)

    def upload(self, files: dict[str, str]) -> str:
        """Upload a context; return its location."""
        place = self.post("/listBuildSourceUploadUrl").json()
        sent = self.store(
            "PUT",
            place["uploadUrl"],
            data=packed(files),
            headers={"x-ms-blob-type": "BlockBlob"},
        )
        assert sent.status_code == 201
        return str(place["relativePath"])

    def order(self, source: str, **change: Any) -> dict[str, Any]:
        return {
            "type": "DockerBuildRequest",
            "imageNames": ["api:1"],
            "isPushEnabled": True,
            "dockerFilePath": "Dockerfile",
            "platform": {"os": "Linux", "architecture": "amd64"},
            "sourceLocation": source,
            **change,
        }

    def build(self, files: dict[str, str], **change: Any) -> dict[str, Any]:
        """Build to the end; return the run's properties."""
        run = self.post("/scheduleRun", self.order(self.upload(files), **change))
        assert run.status_code == 200, run.text
        return self.ended(run.json()["name"])

    def ended(self, run_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            run: dict[str, Any] = self.arm("GET", f"{RESOURCE}/runs/{run_id}").json()["properties"]
            if run["status"] not in {"Queued", "Started", "Running"}:
                return run
        raise AssertionError(run)

    def log(self, run: dict[str, Any]) -> str:
        link = self.post(f"/runs/{run['runId']}/listLogSasUrl").json()["logLink"]
        return self.store("GET", link).text

    def image(self, name: str = "api:1") -> Image:
        return self.backstage.run(self.registry.resolve(f"{HOST}/{name}"))

    def files(self, name: str = "api:1") -> dict[str, tarfile.TarInfo]:
        """What is in the layers of an image, by path."""
        pulled = self.backstage.run(self.registry.pull(f"{HOST}/{name}"))
        items = {}
        for layer in pulled.layers:
            with tarfile.open(layer.path) as archive:
                items.update({member.name: member for member in archive})
        return items

    def content(self, path: str, name: str = "api:1") -> bytes:
        pulled = self.backstage.run(self.registry.pull(f"{HOST}/{name}"))
        for layer in reversed(pulled.layers):
            with tarfile.open(layer.path) as archive:
                if path in archive.getnames():
                    file = archive.extractfile(path)
                    assert file
                    return file.read()
        raise AssertionError(f"{path} is in no layer")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with BackgroundLoop() as backstage:
        registry = Registry(
            directory=tmp_path / "registry", hosts=[HOST], check_token=lambda _: True
        )
        tasks = Tasks(
            registry=registry,
            directory=tmp_path / "tasks",
            builder=Builder(registry=registry),
            groups={"contoso": HOME},
        )
        backstage.at_end(tasks.close)

        async def arm(request: web.BaseRequest) -> web.StreamResponse:
            return await tasks.handle_arm(request) or web.Response(status=501)

        yield Service(
            Client(backstage.serve(arm), "management.azure.com"),
            Client(backstage.serve(tasks.handle), tasks.blob_host),
            registry,
            backstage,
        )


def packed(files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(text.encode()), int(time.time()), 0o644
            archive.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


# --- the service -------------------------------------------------------------------------------


def test_the_registry_is_found_by_path_and_by_list_in_any_case(service: Service) -> None:
    single = service.arm("GET", RESOURCE.upper().replace("1111", "1111")).json()
    assert single["properties"]["loginServer"] == HOST
    assert single["id"] == RESOURCE
    for scope in ("/subscriptions/1111", HOME):
        path = f"{scope}/providers/Microsoft.ContainerRegistry/registries"
        listed = service.arm("GET", path).json()["value"]
        assert [entry["id"] for entry in listed] == [RESOURCE]
    other = service.arm("GET", RESOURCE.replace("shop", "other"))
    assert (other.status_code, other.json()["error"]["code"]) == (404, "ResourceNotFound")


def test_a_build_ends_with_an_image_that_can_be_pulled(service: Service) -> None:
    source = service.upload({"Dockerfile": DOCKERFILE, "app.py": "print('hello')\n"})
    started = service.post("/scheduleRun", service.order(source, imageNames=["api:1", "api:new"]))
    assert started.json()["properties"]["status"] == "Queued"
    assert started.json()["id"] == f"{RESOURCE}/runs/{started.json()['name']}"
    run = service.ended(started.json()["name"])
    assert run["status"] == "Succeeded"
    image = service.image("api:1")
    assert tuple(image.command) == ("python", "app.py")
    assert image.working_directory == "/app"
    assert service.image("api:new").digest == image.digest
    assert run["outputImages"] == [
        {"registry": HOST, "repository": "api", "tag": tag, "digest": image.digest}
        for tag in ("1", "new")
    ]
    assert service.content("app/app.py") == b"print('hello')\n"


def test_the_log_contains_each_step_and_ends_with_the_run(service: Service) -> None:
    dockerfile = DOCKERFILE.replace("COPY", "RUN pip install flask\nCOPY")
    log = service.log(service.build({"Dockerfile": dockerfile, "app.py": ""}))
    assert "Step 3/5 : RUN pip install flask" in log
    assert "Not executed" in log
    assert "is not pulled by the sandbox" in log
    assert "Run ID: ca1 was successful after" in log.splitlines()[-1]


def test_a_failed_build_says_why_and_pushes_nothing(service: Service) -> None:
    run = service.build({"Dockerfile": DOCKERFILE})
    assert (run["status"], run["runErrorMessage"]) == (
        "Failed",
        "failed during run, err: exit status 1",
    )
    assert run["outputImages"] == []
    log = service.log(run)
    assert "COPY failed: file not found in build context or excluded by .dockerignore" in log
    assert "stat app.py: file does not exist" in log
    assert "Run ID: ca1 failed after" in log.splitlines()[-1]
    token = service.registry.contents(HOST)
    assert service.backstage.run(token.tags("api")) == {}


def test_a_context_that_was_never_uploaded_fails_the_run(service: Service) -> None:
    run = service.post("/scheduleRun", service.order("source/1/nothing.tar.gz")).json()
    assert service.ended(run["name"])["status"] == "Failed"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"type": "FileTaskRunRequest"}, "FileTaskRunRequest"),
        ({"sourceLocation": ""}, "sourceLocation"),
        ({"dockerFilePath": ""}, "dockerFilePath"),
        ({"platform": None}, "platform"),
    ],
)
def test_an_order_that_is_not_understood_is_refused_by_name(
    service: Service, change: dict[str, Any], named: str
) -> None:
    reply = service.post("/scheduleRun", {**service.order("source/x"), **change})
    assert reply.status_code == 400
    assert named in reply.json()["error"]["message"]


def test_a_context_that_leads_outside_is_refused(service: Service, tmp_path: Path) -> None:
    run = service.build({"../../escaped.txt": "x", "Dockerfile": DOCKERFILE, "app.py": ""})
    assert run["status"] == "Failed"
    assert not list(tmp_path.rglob("escaped.txt"))


def test_runs_are_listed_newest_first_and_unknown_ones_are_missing(service: Service) -> None:
    for _ in range(2):
        service.build({"Dockerfile": DOCKERFILE, "app.py": ""})
    listed = service.arm("GET", f"{RESOURCE}/runs").json()["value"]
    assert [run["name"] for run in listed] == ["ca2", "ca1"]
    assert service.arm("GET", f"{RESOURCE}/runs/ca3").status_code == 404
    assert service.arm("DELETE", f"{RESOURCE}/runs/ca1").status_code == 501


# --- the blob store ----------------------------------------------------------------------------


def test_a_log_is_read_in_parts_as_the_azure_cli_streams_it(service: Service) -> None:
    run = service.build({"Dockerfile": DOCKERFILE, "app.py": ""})
    link = service.post(f"/runs/{run['runId']}/listLogSasUrl").json()["logLink"]
    head = service.store("HEAD", link)
    size = int(head.headers["Content-Length"])
    assert head.headers["x-ms-meta-Complete"] == "successful"
    assert head.headers["x-ms-blob-type"] == "AppendBlob"
    read = b""
    while len(read) < size:
        headers = {"x-ms-range": f"bytes={len(read)}-{len(read) + 99}"}
        part = service.store("GET", link, headers=headers)
        assert part.status_code == 206
        assert part.headers["Content-Range"].endswith(f"/{size}")
        read += part.content
    assert read.decode() == service.store("GET", link).text
    past = service.store("GET", link, headers={"x-ms-range": f"bytes={size}-"})
    assert (past.status_code, past.headers["x-ms-error-code"]) == (416, "InvalidRange")


def test_a_large_context_comes_in_blocks(service: Service) -> None:
    place = service.post("/listBuildSourceUploadUrl").json()
    whole = packed({"Dockerfile": DOCKERFILE, "app.py": "x = 1\n"})
    half = len(whole) // 2
    for block, data in (("QQ==", whole[:half]), ("Qg==", whole[half:])):
        sent = service.store(
            "PUT", place["uploadUrl"], params={"comp": "block", "blockid": block}, data=data
        )
        assert sent.status_code == 201
    listed = "<BlockList><Latest>QQ==</Latest><Latest>Qg==</Latest></BlockList>"
    wrong = listed.replace("Qg==", "Qz==")
    params = {"comp": "blocklist"}
    assert service.store("PUT", place["uploadUrl"], params=params, data=wrong).status_code == 400
    assert service.store("PUT", place["uploadUrl"], params=params, data=listed).status_code == 201
    run = service.post("/scheduleRun", service.order(place["relativePath"])).json()
    assert service.ended(run["name"])["status"] == "Succeeded"


def test_an_address_works_only_signed_and_only_for_what_it_was_signed(service: Service) -> None:
    place = service.post("/listBuildSourceUploadUrl").json()
    address = place["uploadUrl"]
    unsigned = address.partition("?")[0]
    for wrong in (unsigned, address[:-6] + "AAAAA%3D", address.replace("/source/", "/other/")):
        reply = service.store("PUT", wrong, data=b"x")
        assert (reply.status_code, reply.headers["x-ms-error-code"]) == (
            403,
            "AuthenticationFailed",
        )
    reading = service.store("GET", address)
    assert reading.status_code == 403
    run = service.build({"Dockerfile": DOCKERFILE, "app.py": ""})
    link = service.post(f"/runs/{run['runId']}/listLogSasUrl").json()["logLink"]
    assert service.store("PUT", link, data=b"forged").status_code == 403


# --- the builder -------------------------------------------------------------------------------


def test_only_equal_contexts_give_equal_digests(service: Service) -> None:
    files = {"Dockerfile": DOCKERFILE, "app.py": "x = 1\n"}
    service.build(files)
    first = service.image().digest
    service.build(dict(reversed(files.items())))
    assert service.image().digest == first
    service.build({**files, "app.py": "x = 2\n"})
    assert service.image().digest != first
    service.build({**files, "Dockerfile": DOCKERFILE.replace("CMD", "RUN true\nCMD")})
    assert service.image().digest != first


def test_build_arguments_reach_variables_but_only_where_declared(service: Service) -> None:
    dockerfile = """\
ARG BASE=python
FROM ${BASE}:3.13 AS build
ARG VERSION=none
ARG EMPTY
FROM scratch
ARG VERSION
ENV VERSION=$VERSION NAME="a ${VERSION:-b} c" OTHER=${MISSING:-d} LITERAL='$VERSION'
ENV GREETING hello $VERSION
LABEL org.opencontainers.image.version=$VERSION
WORKDIR /srv/$VERSION
CMD ["./run"]
"""
    run = service.build(
        {"Dockerfile": dockerfile},
        arguments=[{"name": "VERSION", "value": "1.2"}, {"name": "STRAY", "value": "s3cret"}],
    )
    image = service.image()
    assert {name: image.environment[name] for name in ("VERSION", "NAME", "OTHER", "LITERAL")} == {
        "VERSION": "1.2",
        "NAME": "a 1.2 c",
        "OTHER": "d",
        "LITERAL": "$VERSION",
    }
    assert image.environment["GREETING"] == "hello 1.2"
    assert image.working_directory == "/srv/1.2"
    log = service.log(run)
    assert "build-args [STRAY] were not consumed" in log
    assert "s3cret" not in log


def test_copies_go_where_docker_puts_them(service: Service) -> None:
    files = {
        "Dockerfile": """\
FROM scratch
WORKDIR /app
COPY . .
COPY src/ /all/
COPY src/a.txt src/b.txt /two/
COPY src/a.txt /one.txt
COPY src/*.md docs/
COPY --chown=12:34 --chmod=750 src/a.txt /owned
COPY ["with space.txt", "/"]
COPY <<here.txt /made/
some text
here.txt
""",
        ".dockerignore": "*.log\n!keep.log\n**/secret\nDockerfile\n",
        "with space.txt": "x",
        "drop.log": "x",
        "keep.log": "x",
        "src/a.txt": "x",
        "src/b.txt": "x",
        "src/deep/secret": "x",
        "src/deep/c.md": "x",
        "src/d.md": "x",
    }
    run = service.build(files)
    assert run["status"] == "Succeeded", service.log(run)
    result = service.files()
    paths = {name for name, member in result.items() if member.isfile()}
    assert paths == {
        *("app/.dockerignore", "app/with space.txt", "app/keep.log"),
        *("app/src/a.txt", "app/src/b.txt", "app/src/deep/c.md", "app/src/d.md"),
        *("all/a.txt", "all/b.txt", "all/deep/c.md", "all/d.md"),
        *("two/a.txt", "two/b.txt", "one.txt", "app/docs/d.md", "owned", "with space.txt"),
        "made/here.txt",
    }
    owned = result["owned"]
    assert (owned.uid, owned.gid, owned.mode) == (12, 34, 0o750)
    assert (result["one.txt"].uid, result["one.txt"].mtime) == (0, 0)
    assert service.content("made/here.txt") == b"some text\n"


def test_stages_copy_from_each_other_without_the_files_of_run(service: Service) -> None:
    files = {
        "Dockerfile": """\
FROM node:22 AS pages
WORKDIR /pages
COPY index.html .
RUN npm run build
FROM pages AS checked
COPY extra.html .
FROM python:3.13-slim
COPY --from=pages /pages /www
COPY --from=checked /pages/extra.html /www/
COPY --from=pages /pages/dist /www/dist
COPY --from=0 /pages/index.html /again.html
USER 65534
EXPOSE 8080 9090/udp
HEALTHCHECK --interval=1m30s --retries=3 CMD wget -q localhost:8080
ENTRYPOINT exec python -m http.server
""",
        "index.html": "index",
        "extra.html": "extra",
    }
    run = service.build(files)
    names = {name for name, member in service.files().items() if member.isfile()}
    assert names == {"www/index.html", "www/extra.html", "again.html"}
    assert "skipped: /pages/dist" in service.log(run)
    pulled = service.backstage.run(service.registry.pull(f"{HOST}/api:1"))
    config = pulled.config["config"]
    assert config["Entrypoint"] == ["/bin/sh", "-c", "exec python -m http.server"]
    assert config["User"] == "65534"
    assert set(config["ExposedPorts"]) == {"8080/tcp", "9090/udp"}
    assert config["Healthcheck"] == {
        "Test": ["CMD-SHELL", "wget -q localhost:8080"],
        "Interval": 90_000_000_000,
        "Retries": 3,
    }
    for layer, diff_id in zip(pulled.layers, pulled.config["rootfs"]["diff_ids"], strict=True):
        plain = gzip.decompress(layer.path.read_bytes())
        assert diff_id == f"sha256:{__import__('hashlib').sha256(plain).hexdigest()}"


def test_an_image_of_the_registry_can_be_built_upon(service: Service) -> None:
    base = {
        "Dockerfile": 'FROM scratch\nCOPY a /a\nENV LEVEL=base\nCMD ["a"]\n',
        "a": "from the base",
    }
    service.build(base, imageNames=["base:1"])
    upper = {
        "Dockerfile": f"FROM {HOST}/base:1\nCOPY b /b\nCOPY --from={HOST}/base:1 /a /c\n",
        "b": "of its own",
    }
    service.build(upper)
    assert set(service.files()) == {"a", "b", "c"}
    assert service.content("c") == b"from the base"
    assert service.image().environment["LEVEL"] == "base"
    assert tuple(service.image().command) == ("a",)
    missing = service.build({"Dockerfile": f"FROM {HOST}/base:2\n"})
    assert "manifest for contoso.azurecr.io/base:2 not found" in service.log(missing)


def test_a_target_stage_can_be_chosen(service: Service) -> None:
    dockerfile = "FROM scratch AS one\nENV A=1\nFROM scratch AS two\nENV B=2\n"
    service.build({"Dockerfile": dockerfile}, target="one")
    assert "B" not in service.image().environment
    run = service.build({"Dockerfile": dockerfile}, target="three")
    assert "failed to reach build target three" in service.log(run)


def test_add_unpacks_local_archives(service: Service) -> None:
    archive = packed({"inner/x.txt": "x"}).decode("latin-1")
    # The context is written as UTF-8 text, which would break a gzip stream: send plain tar instead.
    plain = gzip.decompress(archive.encode("latin-1")).decode("ascii")
    service.build({"Dockerfile": "FROM scratch\nADD a.tar /to/\n", "a.tar": plain})
    assert {name for name, single in service.files().items() if single.isfile()} == {
        "to/inner/x.txt"
    }


@pytest.mark.parametrize(
    ("dockerfile", "says"),
    [
        ("", "the Dockerfile cannot be empty"),
        ("COPY a b\n", "no build stage in current context"),
        ("FROM scratch\nONBUILD RUN x\n", "instruction ONBUILD is not supported by the sandbox"),
        ("FROM scratch\nCOPPY a b\n", "line 2: instruction COPPY is unknown"),
        ("FROM scratch\nCOPY --parents a b\n", "COPY --parents is not supported"),
        ("FROM scratch\nCOPY ../../etc/passwd /\n", "forbidden path outside the build context"),
        (
            "FROM scratch\nADD https://example.com/x /\n",
            "ADD of a URL is not supported by the sandbox",
        ),
        ("FROM scratch\nCOPY *.nothing /\n", "COPY failed: file not found"),
        ("FROM scratch\nENV A=${B:?must be set}\n", "B: must be set"),
        ('FROM scratch\nENV A="open\n', "looking for matching double-quote"),
        ("FROM scratch\nCOPY a b c\n", "the destination must be a directory"),
        ("FROM $NOTHING\n", "base name ($NOTHING) should not be blank"),
    ],
)
def test_an_unsupported_build_fails_with_its_reason(
    service: Service, dockerfile: str, says: str
) -> None:
    run = service.build({"Dockerfile": dockerfile, "a": "a", "b": "b"})
    assert run["status"] == "Failed"
    assert says in service.log(run)


def test_comments_continued_lines_and_the_escape_directive(service: Service) -> None:
    dockerfile = """\
# syntax=docker/dockerfile:1
# escape=`
FROM scratch
# a remark
ENV A=1 `
    # in between

    B=2
CMD ["x", `
  "y"]
"""
    service.build({"Dockerfile": dockerfile})
    image = service.image()
    assert (image.environment["A"], image.environment["B"]) == ("1", "2")
    assert tuple(image.command) == ("x", "y")


def test_an_own_entrypoint_drops_the_command_of_the_base(service: Service) -> None:
    service.build(
        {"Dockerfile": 'FROM scratch\nENTRYPOINT ["old"]\nCMD ["old-argument"]\n'},
        imageNames=["base:1"],
    )
    service.build({"Dockerfile": f'FROM {HOST}/base:1\nENTRYPOINT ["new"]\n'})
    assert (tuple(service.image().entrypoint), tuple(service.image().command)) == (("new",), ())


def test_a_build_without_push_leaves_the_registry_as_it_was(service: Service) -> None:
    run = service.build({"Dockerfile": DOCKERFILE, "app.py": ""}, isPushEnabled=False)
    assert run["status"] == "Succeeded"
    assert service.backstage.run(service.registry.contents(HOST).tags("api")) == {}


def test_the_stored_manifest_is_plain_and_not_an_index(service: Service) -> None:
    service.build({"Dockerfile": DOCKERFILE, "app.py": ""})
    manifest = service.backstage.run(service.registry.contents(HOST).manifest("api", "1"))
    assert manifest
    body = json.loads(manifest.body)
    assert body["mediaType"] == manifest.media_type
    assert manifest.media_type == "application/vnd.docker.distribution.manifest.v2+json"
    assert body["schemaVersion"] == 2

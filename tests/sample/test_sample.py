"""The sample serves what its manifest declares; tested as a real process over HTTP."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring

from deploy_action.core.manifest.edit import plan, read
from deploy_action.sandbox.acr_tasks import Builder
from deploy_action.sandbox.registry import Registry
from tests.support.paths import SAMPLE

MANIFEST = (SAMPLE / "manifest.xml").read_bytes()
ROOT = fromstring(MANIFEST)
ORIGIN = "https://well-intake-api.example.com"
OFFICE = "{http://schemas.microsoft.com/office/appforoffice/1.1}"
BASIC = "{http://schemas.microsoft.com/office/officeappbasictypes/1.0}"
KIND = "{http://www.w3.org/2001/XMLSchema-instance}type"
OVERRIDES = "{http://schemas.microsoft.com/office/mailappversionoverrides%s}VersionOverrides"
VERSION = ROOT.findtext(f"{OFFICE}Version")
URLS = sorted(
    {
        item.attrib["DefaultValue"].removeprefix(ORIGIN)
        for item in ROOT.iter()
        if item.get("DefaultValue", "").startswith(ORIGIN)
    }
)
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".xml": "application/xml; charset=utf-8",
    ".png": "image/png",
}
START_S = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One complete response."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        assert self.headers["Content-Type"] == "application/json"
        return json.loads(self.body)


@dataclass(slots=True)
class Sample:
    """A running sample, with a connection that stays open between requests."""

    process: subprocess.Popen[str]
    port: int
    connection: http.client.HTTPConnection

    def get(self, path: str, method: str = "GET", **headers: str) -> Reply:
        self.connection.request(
            method, path, headers={name.replace("_", "-"): text for name, text in headers.items()}
        )
        reply = self.connection.getresponse()
        return Reply(status=reply.status, headers=reply.headers, body=reply.read())

    def stop(self) -> int:
        """Stop it as the platform does; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(START_S)


def started(stack: ExitStack, folder: Path, **variables: str) -> Sample:
    """Start the sample in *folder* and wait until it prints its address."""
    process = stack.enter_context(
        subprocess.Popen(
            [sys.executable, "-m", "app"],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "PORT": "0", **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    )
    stack.callback(process.kill)
    assert process.stdout
    line = process.stdout.readline()
    match = re.search(r"listens on port (\d+)", line)
    assert match, line + process.stdout.read()
    connection = http.client.HTTPConnection("127.0.0.1", int(match[1]), timeout=START_S)
    stack.callback(connection.close)
    return Sample(process, int(match[1]), connection)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def sample(stack: ExitStack) -> Sample:
    return started(stack, SAMPLE)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The sample's files, to be changed."""
    where = tmp_path / "copy"
    shutil.copytree(SAMPLE, where, ignore=shutil.ignore_patterns("__pycache__"))
    return where


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert text.count(old) == 1, f"{file.name} must have {old!r} once"
    file.write_text(text.replace(old, new), "utf-8")


# --- the manifest ------------------------------------------------------------------------------


def test_the_manifest_is_plain_utf8_with_a_declaration_and_comments() -> None:
    assert MANIFEST.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n')
    assert MANIFEST.endswith(b"</OfficeApp>\n")
    assert b"\r" not in MANIFEST
    assert b"<!--" in MANIFEST
    assert b"<!DOCTYPE" not in MANIFEST


def test_the_manifest_is_a_mail_add_in_with_its_parts_in_the_schemas_order() -> None:
    assert (ROOT.tag, ROOT.get(KIND)) == (f"{OFFICE}OfficeApp", "MailApp")
    assert [item.tag.rpartition("}")[2] for item in ROOT] == [
        *("Id", "Version", "ProviderName", "DefaultLocale", "DisplayName", "Description"),
        *("IconUrl", "HighResolutionIconUrl", "SupportUrl", "AppDomains", "Hosts"),
        *("Requirements", "FormSettings", "Permissions", "Rule", "DisableEntityHighlighting"),
        "VersionOverrides",
    ]


def test_page_urls_carry_the_version_and_icon_urls_do_not() -> None:
    assert VERSION == "1.3.0.2"
    pages = [url for url in URLS if f"v={VERSION}" in urlsplit(url).query.split("&")]
    others = [url for url in URLS if url not in pages]

    assert pages == [
        "/commands.html?v=1.3.0.2",
        "/taskpane.html?v=1.3.0.2",
        "/taskpane.html?v=1.3.0.2&from=ribbon",
    ]
    assert all(not urlsplit(url).query for url in others)


def test_a_bump_updates_every_version_without_warnings() -> None:
    bump = plan(MANIFEST, file="manifest.xml")

    assert str(bump.new) == "1.3.0.3"
    assert bump.after == MANIFEST.replace(b"1.3.0.2", b"1.3.0.3")
    assert [note for note in bump.warnings if not note.usual] == []
    assert len(read(MANIFEST, file="manifest.xml").pages) == 3


@pytest.mark.parametrize("level", ["1.0", "1.1"])
def test_every_resource_of_a_button_is_defined_once_per_level(level: str) -> None:
    overrides = override(level)
    nested = set(overrides.iter()) - set(override("1.1").iter() if level == "1.0" else ())
    defined = Counter(
        item.attrib["id"]
        for item in nested
        if item.tag.startswith(BASIC) and "DefaultValue" in item.attrib
    )
    expected = {item.attrib["resid"] for item in nested if "resid" in item.attrib}

    assert set(defined) == expected
    assert set(defined.values()) == {1}
    assert all(len(name) <= 32 for name in expected), "the schema allows 32 characters"


def override(level: str) -> Element:
    """Return one level of VersionOverrides; 1.1 is nested in 1.0."""
    suffix = "/1.1" if level == "1.1" else ""
    (result,) = ROOT.iter(OVERRIDES % suffix)
    assert result.get(KIND) == f"VersionOverridesV{level.replace('.', '_')}"
    assert isinstance(result, Element)
    return result


# --- responses ---------------------------------------------------------------------------------


@pytest.mark.parametrize("url", [*URLS, "/manifest.xml", "/taskpane.js", "/taskpane.css"])
def test_every_url_of_the_manifest_responds_with_its_content_type(sample: Sample, url: str) -> None:
    answer = sample.get(url)

    assert answer.status == 200
    assert answer.headers["Content-Type"] == TYPES[Path(urlsplit(url).path).suffix]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_files_that_pages_load_exist(sample: Sample) -> None:
    for page in ("/taskpane.html", "/commands.html", "/support.html"):
        text = sample.get(page).body.decode()
        for name in re.findall(r'(?:src|href)="(?!https:)([^"]+)"', text):
            assert sample.get(f"/{name}").status == 200, name
    script = sample.get("/taskpane.js").body.decode()
    for element, path in re.findall(r'show\("(\w+)", "([\w/]+)"', script):
        assert sample.get(f"/{path}").status == 200
        assert f'id="{element}"' in sample.get("/taskpane.html").body.decode()


@pytest.mark.parametrize("size", [16, 32, 64, 80, 128])
def test_an_icon_has_the_size_in_its_name(sample: Sample, size: int) -> None:
    body = sample.get(f"/assets/icon-{size}.png").body

    assert body.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", body[16:24]) == (size, size)


def test_the_manifest_is_served_byte_for_byte(sample: Sample) -> None:
    assert sample.get("/manifest.xml").body == MANIFEST


def test_the_version_is_the_manifests_and_the_rest_is_the_platforms(stack: ExitStack) -> None:
    variables = {"CONTAINER_APP_REVISION": "well-intake-api--abc", "DEPLOY_ACTION_COMMIT": "0f1e2d"}

    assert started(stack, SAMPLE, **variables).get("/version").json() == {
        "version": "1.3.0.2",
        "revision": "well-intake-api--abc",
        "commit": "0f1e2d",
    }
    assert started(stack, SAMPLE).get("/version").json() == {
        "version": "1.3.0.2",
        "revision": "",
        "commit": "",
    }


def test_a_bumped_manifest_changes_the_reported_version(stack: ExitStack, copy: Path) -> None:
    edit(copy / "manifest.xml", "<Version>1.3.0.2<", "<!-- <Version>9</Version> --><Version>1.4<")

    assert started(stack, copy).get("/version").json()["version"] == "1.4"


def test_one_line_makes_the_sample_unhealthy(stack: ExitStack, copy: Path) -> None:
    paths = ("/health", "/health/ready", "/health/live")
    well = started(stack, copy)
    assert [well.get(path).status for path in paths] == [200, 200, 200]

    edit(copy / "app" / "health.py", "HEALTHY = True", "HEALTHY = False")
    sick = started(stack, copy)

    assert [sick.get(path).status for path in paths] == [503, 503, 200]
    assert sick.get("/health").json() == {"status": "sick"}
    assert sick.get("/manifest.xml").status == 200


def test_the_greeting_is_what_a_demonstration_changes(stack: ExitStack, copy: Path) -> None:
    edit(copy / "app" / "greeting.py", "Hello", "Good morning")

    assert started(stack, copy).get("/api/greeting").json()["greeting"].startswith("Good morning")


# --- caching -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/taskpane.html", "no-cache"),
        ("/manifest.xml", "no-cache"),
        ("/taskpane.html?v=1.3.0.2", "public, max-age=31536000, immutable"),
        ("/taskpane.html?from=ribbon&v=1.3.0.2", "public, max-age=31536000, immutable"),
        ("/taskpane.html?v=1.3.0.3", "no-cache"),
        ("/taskpane.html?v=1.3.0.20", "no-cache"),
        ("/assets/icon-64.png", "public, max-age=86400"),
        ("/version", "no-store"),
        ("/health/ready", "no-store"),
        ("/nothing", "no-store"),
    ],
)
def test_only_pages_of_this_revisions_version_are_immutable(
    sample: Sample, url: str, expected: str
) -> None:
    """A URL with another version belongs to another revision: while traffic is split, a
    browser must not cache this revision's page under it."""
    assert sample.get(url).headers["Cache-Control"] == expected


def test_a_page_that_did_not_change_is_not_sent_again(stack: ExitStack, copy: Path) -> None:
    before = started(stack, copy)
    tag = before.get("/taskpane.html").headers["ETag"]
    again = before.get("/taskpane.html", If_None_Match=tag)
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)

    edit(copy / "public" / "taskpane.html", "<title>Well Intake<", "<title>Well<")

    assert started(stack, copy).get("/taskpane.html", If_None_Match=tag).status == 200


# --- protocol ----------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["/taskpane.html", "/assets/icon-16.png", "/version", "/nothing"])
def test_head_returns_the_same_headers_as_get(sample: Sample, url: str) -> None:
    whole, head = sample.get(url), sample.get(url, method="HEAD")

    assert head.status == whole.status
    assert head.headers["Content-Length"] == str(len(whole.body))
    assert head.headers["Content-Type"] == whole.headers["Content-Type"]
    assert raw(sample, f"HEAD {url}").endswith(b"\r\n\r\n")
    assert raw(sample, f"GET {url}").endswith(whole.body)


def raw(sample: Sample, line: str) -> bytes:
    """Return every byte of an answer; a client's library would drop what it does not expect."""
    with socket.create_connection(("127.0.0.1", sample.port), START_S) as connection:
        connection.sendall(f"{line} HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/nothing", "/assets", "/assets/", "/health/", "/versions"),
        *("/../manifest.xml", "/assets/../../Dockerfile", "/%2e%2e/Dockerfile", "/..%2fDockerfile"),
        *("/app/health.py", "/public/taskpane.html", "/Dockerfile", "//etc/passwd", "/etc/passwd"),
    ],
)
def test_nothing_but_the_pages_is_ever_served(sample: Sample, path: str) -> None:
    answer = sample.get(path)

    assert answer.status == 404
    assert list(answer.json()) == ["error"]


def test_one_connection_serves_many_requests(sample: Sample) -> None:
    sample.get("/version")
    socket_of_the_first = sample.connection.sock
    assert socket_of_the_first, "it stays open"

    for path in ("/taskpane.html", "/nothing", "/health", "/assets/icon-128.png"):
        sample.get(path)
        assert sample.connection.sock is socket_of_the_first


def test_a_slow_client_does_not_block_others(sample: Sample) -> None:
    with socket.create_connection(("127.0.0.1", sample.port), START_S) as slow:
        slow.sendall(b"GET /version HTTP/1.1\r\n")

        assert sample.get("/version").status == 200


def test_sigterm_ends_it_at_once_even_with_open_connections(sample: Sample) -> None:
    with socket.create_connection(("127.0.0.1", sample.port), START_S) as slow:
        slow.sendall(b"GET /version HTTP/1.1\r\n")
        sample.get("/version")

        assert sample.stop() == 0

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", sample.port), START_S)


@pytest.mark.parametrize("expected", ["0", "1"])
def test_requests_are_logged_only_when_asked_for(stack: ExitStack, expected: str) -> None:
    sample = started(stack, SAMPLE, ACCESS_LOG=expected)
    sample.get("/version")
    sample.stop()

    assert sample.process.stdout
    assert ("GET /version" in sample.process.stdout.read()) == (expected == "1")


# --- the image ---------------------------------------------------------------------------------


def test_the_image_is_complete_without_a_builder_that_can_run_anything(
    stack: ExitStack, tmp_path: Path
) -> None:
    host, log = "contoso.azurecr.io", list[str]()
    registry = Registry(directory=tmp_path / "registry", hosts=[host], check_token=lambda _: True)

    async def build() -> tuple[list[Path], dict[str, Any]]:
        await Builder(registry=registry).build(SAMPLE, f"{host}/sample:1", log=log.append)
        pulled = await registry.pull(f"{host}/sample:1")
        return [layer.path for layer in pulled.layers], pulled.config["config"]

    layers, run = asyncio.run(build())
    for layer in layers:
        with tarfile.open(layer) as archive:
            archive.extractall(tmp_path / "image")  # noqa: S202  an archive that we made

    assert not [line for line in log if "Not executed" in line]
    assert run["Entrypoint"] == ["python3", "-m", "app"]
    assert run["WorkingDir"] == "/srv"
    assert list(run["ExposedPorts"]) == ["8000/tcp"]
    user, _, group = run["User"].partition(":")
    assert int(user) > 0, "Kubernetes can only see that a number is not root"
    assert int(group) > 0
    there = tmp_path / "image" / "srv"
    assert sorted(item.name for item in there.iterdir()) == ["app", "manifest.xml", "public"]
    assert started(stack, there).get("/version").json()["version"] == VERSION

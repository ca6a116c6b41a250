"""Shows the progress of the demonstration in the terminal and on the live page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import click
import requests

# The workflow commands of GitHub's runner: "Workflow commands for GitHub Actions".
_COMMAND: Final = re.compile(r"^::(?P<name>[\w-]+)(?: [^:]*)?::(?P<text>.*)$")
# The action's log has time and component before each line and each title of a group.
_START: Final = re.compile(r"^\d\d:\d\d:\d\dZ \S+ +")
_ESCAPED: Final = (("%0D", "\r"), ("%0A", "\n"), ("%25", "%"))
_PROBLEM: Final = re.compile(r"\b(fail(ed)?|aborted|not restored)\b", re.IGNORECASE)
# Lines of the registry's build log, anywhere in a line of the action's log.
_BUILD: Final = re.compile(
    r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d |Step \d+/\d+ ?:| ---> |Successfully built [0-9a-f]{6}"
    r"|: digest: sha256:|Run ID: \S+ was successful|Started build \S+ in registry"
)
_COLOURS: Final = ("blue", "green", "magenta", "cyan")


@dataclass(slots=True)
class Narrator:
    """Writes to the terminal, and to the page of the sandbox at *url*.

    Args:
        url: of the sandbox itself.
        verbose: whether the build log and the raw Markdown of the summary are shown, too.
    """

    url: str
    verbose: bool = False
    _session: requests.Session = field(default_factory=requests.Session)
    _hidden: int = 0
    _colours: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._session.trust_env = False

    # -- the terminal ----------------------------------------------------------------------------

    def chapter(self, text: str) -> None:
        """Start a section."""
        click.secho(f"\n── {text}", fg="blue", bold=True)
        self.note("chapter", text)

    def fact(self, name: str, value: str) -> None:
        """Show one line of the setup."""
        click.echo(click.style(f"  {name:<11}", dim=True) + value)

    def log_line(self, text: str) -> None:
        """Show one line of the action's log; lines of the build log are counted instead."""
        text = text.rstrip()
        if _BUILD.search(text) and not self.verbose:
            self._hidden += 1
            return
        if command := _COMMAND.match(text):
            self._command(command["name"], command["text"])
        elif text := _START.sub("", text).strip():
            self._flush_hidden()
            click.secho(f"    {text}", fg="yellow" if _PROBLEM.search(text) else None, dim=True)
            self.note("run", text)

    def _command(self, name: str, text: str) -> None:
        """Show a workflow command as a runner does; masks and ends of groups are not shown."""
        for code, character in _ESCAPED:
            text = text.replace(code, character)
        if name == "group":
            text = _START.sub("", text)
            self._flush_hidden()
            click.secho(f"  {text}", bold=True)
            self.note("phase", text)
        elif name in {"notice", "warning", "error"}:
            self._flush_hidden()
            click.secho(f"    {name}: {text}", fg="red" if name == "error" else "yellow")
            self.note("run", f"{name}: {text}")

    def _flush_hidden(self) -> None:
        if self._hidden:
            click.secho(f"    build log: {self._hidden} lines (--verbose shows them)", dim=True)
            self._hidden = 0

    def users(self, answers: Mapping[str, int], failed: int) -> None:
        """Show which revisions answered requests in the last second."""
        parts = [
            click.style(f"{_short(name)} {count}", fg=self._colour(name))
            for name, count in answers.items()
            if count
        ]
        failures = click.style(f", {failed} failed so far", fg="red", bold=True) if failed else ""
        click.echo(
            f"  {click.style('·', dim=True)} user requests/s: "
            f"{', '.join(parts) or 'none'}{failures}"
        )

    def check(self, sentence: str, *, passed: bool) -> None:
        """Show one check of what was observed."""
        mark = click.style("✓", fg="green") if passed else click.style("✗", fg="red", bold=True)
        click.echo(f"  {mark} {sentence}")
        self.note("say", f"{'✓' if passed else '✗'} {sentence}")

    def summary(self, markdown: str) -> None:
        """Show the headline of the job summary; the page shows it as GitHub does."""
        if self.verbose:
            click.echo(markdown)
        else:
            lines = [line.strip("# ") for line in markdown.splitlines() if line.startswith("#")]
            click.echo(f"  {lines[0] if lines else 'it is empty'}")
        self.note("summary", markdown)

    def result(self, sentence: str, outcome: str) -> None:
        """Show the last sentence.

        Args:
            sentence: what happened.
            outcome: ``deployed``, ``aborted`` or ``failed``.
        """
        colours = {"deployed": "green", "aborted": "yellow"}
        click.secho(f"\n{sentence}", fg=colours.get(outcome, "red"), bold=True)
        self.note("result", sentence, outcome)

    def _colour(self, revision: str) -> str:
        known = self._colours
        return known.setdefault(revision, _COLOURS[len(known) % len(_COLOURS)])

    # -- the sandbox -----------------------------------------------------------------------------

    def note(self, kind: str, text: str, outcome: str = "") -> None:
        """Show something on the page."""
        self.post("notes", {"kind": kind, "text": text, "outcome": outcome})

    def post(self, path: str, body: Any) -> None:
        """Send a POST request to the sandbox."""
        self._session.post(f"{self.url}/{path}", json=body, timeout=30).raise_for_status()

    def end_faults(self) -> None:
        """Remove all scripted faults."""
        self._session.delete(f"{self.url}/faults", timeout=30).raise_for_status()

    def get(self, path: str) -> Any:
        """Send a GET request to the sandbox."""
        return self._session.get(f"{self.url}/{path}", timeout=30).json()


def _short(revision: str) -> str:
    return revision.partition("--")[2] or revision

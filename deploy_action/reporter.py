"""Listens to the record and renders it: console at once, the summary after each phase, the rest at
the end, on every ending. Everything goes through the mask.
"""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.adapters.github_runner import Runner
from deploy_action.core.record import Ended, Event, PhaseEnded, PhaseStarted, Record, Warned
from deploy_action.report import console, outputs, summary
from deploy_action.runtime.masking import Mask

_MOST_WARNINGS = 8  # GitHub shows ten annotations a step; the runner adds one of its own


@dataclass(slots=True)
class Reporter:
    """Renders one record.

    Args:
        runner: where to.
        mask: every text goes through it.
        record: what to render.
    """

    runner: Runner
    mask: Mask
    record: Record
    _warned: int = 0

    def __call__(self, event: Event) -> None:
        """Render one event as it comes."""
        text = self.mask.redact(console.line(event))
        match event:
            case PhaseStarted():
                self.runner.group(text.strip())
                if not self.runner.on_github:
                    self.runner.write(text)
            case PhaseEnded():
                self.runner.end_group()
                self._write_summary()
            case Ended():
                self.runner.write(self._harmless(text))
                self._end(event)
            case _:
                self.runner.write(self._harmless(text))
                if isinstance(event, Warned) and self._warned < _MOST_WARNINGS:
                    self._warned += 1
                    redacted = self.mask.redact(event.text)
                    self.runner.annotate("warning", "Deployment", redacted, event.place)

    def _end(self, event: Ended) -> None:
        self._write_summary()
        found = {name: self.mask.redact(text) for name, text in outputs.values(self.record).items()}
        self.runner.outputs(found)
        if event.exit_code:
            told = self.mask.redact(" ".join(part for part in (event.reason, event.hint) if part))
            self.runner.annotate("error", f"Deployment {event.result}", told, event.place)
        elif event.result in {"deployed", "rolled-back"}:
            told = f"{found['version'] or found['revision']} serves at {found['url']}"
            self.runner.annotate("notice", event.result.capitalize(), told, None)

    def _write_summary(self) -> None:
        self.runner.summary(self.mask.redact(summary.render(self.record)))

    def _harmless(self, text: str) -> str:
        """Keep what came from outside, such as a build log, from being read as a command.

        The runner acts on ``::`` at the start of a line, blanks aside, and on ``##[`` anywhere.
        """
        if not self.runner.on_github:
            return text
        lines = text.replace("##[", "## [").split("\n")
        return "\n".join(f"    |{x}" if x.lstrip().startswith("::") else x for x in lines)

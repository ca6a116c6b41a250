"""Simulated users: send requests continuously and count the answers by revision."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests

from deploy_action.sandbox.scene import Scene


@dataclass(slots=True)
class Users:
    """Simulated users of an app, and the answers that they got."""

    scene: Scene
    url: str
    path: str = "/version"
    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def busy(self, pause_s: float = 0.02) -> Iterator[Users]:
        """Send requests while the block runs."""
        thread = threading.Thread(target=self._ask, args=(pause_s,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join(60)

    def _ask(self, pause_s: float) -> None:
        session = requests.Session()
        session.trust_env = False
        session.proxies, session.verify = self.scene.session.proxies, self.scene.session.verify
        while not self._over.wait(pause_s):
            try:
                reply = session.get(f"{self.url}{self.path}", timeout=30)
            except requests.RequestException as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                continue
            if reply.status_code == 200:
                self.answers[json.loads(reply.text)["revision"]] += 1
            else:
                self.failures.append(f"{reply.status_code} {reply.text[:200]}")

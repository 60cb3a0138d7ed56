"""The buyers of a fleet: a process of this machine, whose clock lab time is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from ..collect.samples import Append, BuyersFeed
from ..collect.streams import documents
from ..errors import NodeError
from ..paths import REPO_DIR

BUYERS = REPO_DIR / "images" / "buyers"


class BuyersProcess:
    """One load, being sent."""

    def __init__(self, load: dict[str, Any], anchor_ns: int, log: Path, append: Append) -> None:
        self.feed = BuyersFeed(append)
        log.parent.mkdir(parents=True, exist_ok=True)
        file = log.with_suffix(".load.json")
        file.write_text(json.dumps(load))
        paths = {"PYTHONPATH": str(BUYERS), "NTPLAB_ANCHOR_NS": str(anchor_ns)}
        with log.open("wb") as words:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from buyers.cli import main; main()", str(file)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=words,
                env={**os.environ, **paths},
                start_new_session=True,
            )
        self._log = log
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for document in documents(iter(self._process.stdout.readline, b""), lambda _: None):
            self.feed(document)

    def wait(self, within_s: float) -> BuyersFeed:
        """Its feed once everything was reported. Raises NodeError with its last words."""
        self._thread.join(timeout=within_s)
        if self._thread.is_alive() or not self.feed.done:
            self.stop()
            tail = self._log.read_text(errors="replace").splitlines()[-5:]
            raise NodeError("the buyers did not finish", log_tail=tail, hint=f"see {self._log}")
        self._process.wait()
        return self.feed

    def stop(self) -> None:
        """Nobody buys any more."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

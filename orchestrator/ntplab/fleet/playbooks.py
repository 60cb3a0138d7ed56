"""All that is done to a host is done by a playbook of playbooks/vps/, which reads it back."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import LabError
from ..paths import REPO_DIR
from .inventory import Fleet, ansible

FOLDER = REPO_DIR / "playbooks" / "vps"
QUIET = {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_NOCOWS": "1", "ANSIBLE_PIPELINING": "1"}


class Playbooks:
    """Runs them on a fleet; what they print goes to `logs`, one file each."""

    def __init__(self, fleet: Fleet, logs: Path) -> None:
        self._fleet, self._logs, self._number = fleet, logs, 0

    def play(
        self, name: str, variables: Mapping[str, object], hosts: Sequence[str] | None = None
    ) -> None:
        """Run `playbooks/vps/<name>.yml`. Raises LabError with Ansible's last words."""
        self._number += 1
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._logs / f"{self._number:02d}-{name}.log"
        argv = [
            ansible("ansible-playbook"),
            f"--inventory={self._fleet.path}",
            *([f"--limit={','.join(hosts)}"] if hosts else []),
            f"--extra-vars={json.dumps(variables)}",
            str(FOLDER / f"{name}.yml"),
        ]
        with log.open("wb") as file:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **QUIET},
                # Ctrl-C is ours: what is being done to a clock is done to its end, then undone.
                start_new_session=True,
                check=False,
            )
        if done.returncode != 0:
            words = [w for w in log.read_text(errors="replace").splitlines() if w.strip()]
            told = [w for w in words if "fatal:" in w or "[ERROR]" in w or "UNREACHABLE" in w]
            raise LabError(
                f"playbooks/vps/{name}.yml failed", log_tail=(told or words)[-6:], hint=f"see {log}"
            )

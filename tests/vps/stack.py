"""The demo stack of compose/, up on this engine under a name and ports of its own: helpers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import testinfra
from testinfra.host import Host

from ..lab import kit
from ..lab.kit import REPO, free_port

COMPOSE = REPO / "compose"
HOST_CA = Path("/etc/ssl/certs/ca-certificates.crt")
IMAGES = ("page", "proxy", "prometheus")
SERVERS = ("paris", "lyon", "marseille")
MACHINES = ("ntp1", "db", *SERVERS)
STANDING = ("observer", *MACHINES, "buyers", "page", "proxy")
ONCE = ("base", "prepare")


def wait_for(what: str, look: Callable[[], object]) -> None:
    """With patience: the machine may be busy with others."""
    kit.wait_for(what, look, timeout_s=120)


def build_images() -> None:
    """The stack's own images; the engine knows what has not changed."""
    if HOST_CA.exists():  # for hosts whose outgoing TLS is re-signed
        shutil.copyfile(HOST_CA, REPO / "images" / "host-ca.crt")
    run("docker", "compose", "--profile", "observability", "build", *IMAGES, env=dict(os.environ))


def run(*argv: str, env: Mapping[str, str], check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(argv, cwd=COMPOSE, env=env, capture_output=True, text=True)
    if check:
        assert done.returncode == 0, (
            f"{' '.join(argv)}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        )
    return done


@dataclass(frozen=True)
class Stack:
    """`settings` are the NTPLAB_* it was started with; `folder` holds its secrets."""

    project: str
    folder: Path
    settings: dict[str, str]
    files: list[Path] = field(default_factory=lambda: [COMPOSE / "compose.yaml"])

    @classmethod
    def of(cls, project: str, folder: Path) -> Stack:
        """Not started yet."""
        settings = {
            "NTPLAB_SECRETS_DIR": str(folder / "secrets"),
            "NTPLAB_HTTP_PORT": str(free_port()),
            "NTPLAB_HTTPS_PORT": str(free_port()),
            "NTPLAB_PROMETHEUS_PORT": str(free_port()),
            "NTPLAB_SITE": "demo.test",
            "NTPLAB_LOAD_HZ": "4",
        }
        return cls(project, folder, settings)

    @property
    def environment(self) -> dict[str, str]:
        plain = {key: value for key, value in os.environ.items() if not key.startswith("NTPLAB_")}
        return {**plain, **self.settings}

    def __call__(
        self, *argv: str, check: bool = True, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """`docker compose`; `settings` differ this time only."""
        files = [word for file in self.files for word in ("-f", str(file))]
        command = ["docker", "compose", "-p", self.project, *files, *argv]
        return run(*command, env={**self.environment, **settings}, check=check)

    def up(self, *argv: str) -> None:
        self("up", "-d", "--wait", *argv)

    def make_secrets(self) -> None:
        run(str(COMPOSE / "secrets.sh"), env=self.environment)

    def secret(self, name: str) -> str:
        return (self.folder / "secrets" / name).read_text().strip()

    def name(self, service: str) -> str:
        return f"{self.project}-{service}-1"

    def host(self, service: str) -> Host:
        """testinfra's view of a container."""
        return testinfra.get_host(f"docker://{self.name(service)}")

    def inspect(self, service: str) -> Any:
        return json.loads(run("docker", "inspect", self.name(service), env=os.environ).stdout)[0]

    def kill(self, service: str) -> None:
        """SIGKILL for all that runs in a container, as a crash; `docker kill` would count as a
        wish, and nothing would come back."""
        before = self.inspect(service)["State"]["StartedAt"]
        run("docker", "exec", self.name(service), "bash", "-c", "kill -KILL -1",
            env=os.environ, check=False)  # fmt: skip
        wait_for(
            f"{service} started again",
            lambda: self.inspect(service)["State"]["StartedAt"] != before,
        )

    # the page, through the proxy

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings['NTPLAB_HTTP_PORT']}"

    @property
    def tls_url(self) -> str:
        return f"https://localhost:{self.settings['NTPLAB_HTTPS_PORT']}"

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret('page_token')}"}

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=30, allow_redirects=False, **options)

    def post(self, path: str, body: object, **options: Any) -> requests.Response:
        return requests.post(self.url + path, json=body, timeout=90, **options)

    def order(self, path: str, body: object) -> None:
        """A change, with the token; it has to work."""
        answer = self.post(path, body, headers=self.bearer)
        assert answer.status_code == 204, answer.text

    def state(self) -> Any:
        return self.get("/api/state").json()

    def twice(self) -> int:
        """Seats sold twice in the phase that is going on."""
        halls = self.state()["halls"]
        return int(halls[-1]["twice"]) if halls else 0

    # clocks, by the observer's truth and not by the page

    def truth_ns(self) -> dict[str, int]:
        """Divergence of every clock, read from the clock pages by the observer's own program."""
        anchor = "NTPLAB_ANCHOR_NS=$(cat /clocks/ntp1/anchor) ntplab-observer show"
        shown = self.host("observer").check_output(anchor)
        return dict(json.loads(shown)["divergence_ns"])

    def apart_ns(self) -> int:
        walls = [value for node, value in self.truth_ns().items() if node in SERVERS]
        return max(walls) - min(walls)

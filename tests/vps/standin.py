"""A stand-in for a VPS: a container with systemd as PID 1, sshd and room for an engine of its own.

It has the capabilities listed here and no other: not CAP_SYS_TIME, so whatever runs inside cannot
set a clock. Ansible and testinfra come in by SSH, with a key made for the test.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import testinfra
from testinfra.host import Host

from ntplab.driver.docker import DockerDriver
from ntplab.setup.compose import debian_mirror
from ntplab.setup.host import Host as ThisMachine
from ntplab.setup.host import install

from ..lab.kit import REPO, wait_for

RECIPE = Path(__file__).parent / "standin"
PLAYBOOKS = REPO / "playbooks" / "vps"
RELEASE = "bookworm"
IMAGE = f"ntplab-test/vps:{RELEASE}"
LABEL = "ntplab-test.inputs"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
CAPABILITIES = (
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "MKNOD",
    "NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID",
    "SYS_ADMIN", "SYS_CHROOT", "SYS_PTRACE",
)  # fmt: skip
STACK_IMAGES = (
    "base", "timeserver", "postgres", "booking", "observer", "buyers", "page", "proxy",
)  # fmt: skip
WITHIN_S = 120


def run(*argv: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
    """A program of this machine; what it said is in the failure."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **options)
    if check:
        assert done.returncode == 0, (
            f"{shlex.join(argv)}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        )
    return done


def ensure_image(release: str = RELEASE) -> str:
    """Build the image of a stand-in with that Debian where it is missing or its recipe changed."""
    image, base = f"ntplab-test/vps:{release}", f"ntplab-test/{release}"
    digest = hashlib.sha256()
    for path in sorted(RECIPE.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    wanted = digest.hexdigest()
    there = DockerDriver().image_labels(image).get(LABEL)
    if there == wanted:
        return image
    if run("docker", "image", "inspect", base, check=False).returncode != 0:
        _make_base(release, base)
    mirror = debian_mirror(ThisMachine())
    assert mirror is not None, "the stand-in is a Debian, and this machine knows no mirror of it"
    run(
        "docker", "build", "-q", "-t", image, "--label", f"{LABEL}={wanted}",
        "--build-arg", f"RELEASE={release}", "--build-arg", f"MIRROR={mirror}", str(RECIPE),
    )  # fmt: skip
    return image


def _make_base(release: str, base: str) -> None:
    if ThisMachine().which("mmdebstrap") is None:
        packages = ["mmdebstrap", "debian-archive-keyring"]
        install(ThisMachine(), packages, "mmdebstrap, for the stand-in VPS, is missing", print)
    command = ["mmdebstrap", "--variant=minbase", "--include=debian-archive-keyring"]
    command += [f"--keyring={KEYRING}", "--dpkgopt=path-exclude=/usr/share/man/*", release, "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as making:
        run("docker", "import", "-", base, stdin=making.stdout)
    assert making.returncode == 0, "mmdebstrap failed"


@dataclass(frozen=True)
class Played:
    """How a playbook ended: `counts` by the words of its recap."""

    code: int
    output: str

    @property
    def counts(self) -> dict[str, int]:
        recap = self.output.rpartition("PLAY RECAP")[2]
        return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", recap)}


@dataclass
class StandIn:
    """`folder` gets its keys; `more` are arguments of `docker run`."""

    folder: Path
    more: tuple[str, ...] = ()
    release: str = RELEASE
    name: str = field(default_factory=lambda: f"ntplab-test-vps-{secrets.token_hex(3)}")

    def start(self) -> None:
        image = ensure_image(self.release)
        self.folder.mkdir(parents=True, exist_ok=True)
        run("docker", "volume", "create", self.name)
        run(
            "docker", "run", "-d", "--name", self.name, "--hostname", "vps", "--cgroupns=host",
            "-v", "/sys/fs/cgroup:/sys/fs/cgroup", "-v", f"{self.name}:/var/lib/docker",
            "--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp:exec",
            "--sysctl", "net.ipv4.ip_forward=1",
            "--cap-drop", "ALL", *(f"--cap-add={name}" for name in CAPABILITIES),
            "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
            *self.more, image,
        )  # fmt: skip
        if not self.key.exists():
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key))
        for user, home in (("root", "/root"), ("admin", "/home/admin"), ("plain", "/home/plain")):
            self.write(f"{home}/.ssh/authorized_keys", self.key.with_suffix(".pub").read_text())
            self.inside(f"chown -R {user}:{user} {home}/.ssh && chmod 700 {home}/.ssh")
        self.wait_for_ssh()

    def remove(self) -> None:
        """With the engine inside and all that it holds."""
        run("docker", "rm", "-f", "-v", self.name, check=False)
        run("docker", "volume", "rm", "-f", self.name, check=False)

    def reboot(self) -> None:
        """As a power button does: systemd is told, and comes up again."""
        run("docker", "restart", "-t", "60", self.name)
        self.wait_for_ssh()

    # from beside it, as a provider's console

    def inside(self, script: str, check: bool = True) -> str:
        return run("docker", "exec", self.name, "sh", "-c", script, check=check).stdout

    def write(self, path: str, text: str) -> None:
        script = f"mkdir -p $(dirname {path}) && cat >{path}"
        run("docker", "exec", "-i", self.name, "sh", "-c", script, input=text)

    @property
    def address(self) -> str:
        shown = run("docker", "inspect", "-f", "{{.NetworkSettings.IPAddress}}", self.name)
        return shown.stdout.strip()

    # by SSH

    @property
    def key(self) -> Path:
        return self.folder / "key"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def ssh_options(self) -> str:
        return f"-i {self.key} -o UserKnownHostsFile={self.known_hosts}"

    def wait_for_ssh(self) -> None:
        def scanned() -> bool:
            keys = run("ssh-keyscan", "-T", "2", "-t", "ed25519", self.address, check=False).stdout
            self.known_hosts.write_text(keys)
            return bool(keys)

        wait_for("the stand-in's SSH server", scanned, timeout_s=WITHIN_S)

    @property
    def host(self) -> Host:
        """testinfra's view of it, by SSH."""
        options = f"-o UserKnownHostsFile={self.known_hosts}"
        return testinfra.get_host(
            f"ssh://root@{self.address}", ssh_identity_file=str(self.key), ssh_extra_args=options
        )

    # Ansible

    def play(self, playbook: str, *options: str, user: str = "root", **variables: object) -> Played:
        """`ansible-playbook`, as somebody with an inventory runs it."""
        told: Mapping[str, object] = {
            "ansible_host": self.address,
            "ansible_user": user,
            "ansible_ssh_common_args": self.ssh_options,
        }
        inventory = self.folder / "inventory.json"
        inventory.write_text(json.dumps({"all": {"hosts": {"vps": told}}}))
        extra = self.folder / "variables.json"
        extra.write_text(json.dumps(variables))
        command = [sys.executable, "-P", "-m", "ansible", "playbook", "-i", str(inventory)]
        done = subprocess.run(
            [*command, "-e", f"@{extra}", playbook, *options],
            cwd=PLAYBOOKS, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        return Played(done.returncode, done.stdout)


def save_images(archive: Path) -> None:
    """The stack's images, as a control machine makes an archive of them."""
    run("docker", "save", "-o", str(archive), *(f"ntplab/{name}" for name in STACK_IMAGES))

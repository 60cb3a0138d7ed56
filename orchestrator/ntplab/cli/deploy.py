"""`deploy HOST`: the demo on a host of one's own, by the playbooks of playbooks/vps.

Nothing is done here that `ansible-playbook site.yml` with an inventory would not do: this verb
writes the inventory, asks SSH first so that its refusals are told in words, and picks the playbook.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml

from ..errors import LabError, UsageError
from ..paths import REPO_DIR
from .output import out

PLAYBOOKS = REPO_DIR / "playbooks" / "vps"
ANSWERS_WITHIN_S = 15
Tls = Literal["acme", "own", "self-signed", "plain"]

_REFUSALS = {
    "Permission denied": "give it your key: ssh-copy-id {host}",
    "REMOTE HOST IDENTIFICATION HAS CHANGED": "if the host was made anew: ssh-keygen -R {address}",
    "Host key verification failed": "look at its key and accept it once: ssh {host}",
    "Could not resolve": "is {address} the name or the address of the host?",
    "Connection refused": "no SSH server answers there; another port is given as {host}:PORT",
    "timed out": "is the host up, and does its provider's firewall let SSH in?",
}
"""What ssh says -> what to do about it."""


@dataclass(frozen=True)
class Target:
    """Where to, as in `root@203.0.113.5:2222`."""

    address: str
    user: str | None = None
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Target:
        """Raises UsageError."""
        pattern = r"(?:([\w.-]+)@)?([A-Za-z0-9][\w.-]*|\[[0-9a-fA-F:]+\])(?::(\d+))?"
        found = re.fullmatch(pattern, text)
        if found is None:
            raise UsageError(f"{text!r} is no host to log in to", hint="such as root@203.0.113.5")
        user, address, port = found.groups()
        return cls(address.strip("[]"), user, int(port) if port else None)

    @property
    def login(self) -> str:
        """As ssh takes it."""
        return f"{self.user}@{self.address}" if self.user else self.address

    def inventory(self, ssh: str) -> dict[str, Any]:
        """What Ansible is told of the host."""
        told: dict[str, Any] = {"ansible_host": self.address, "ansible_ssh_common_args": ssh}
        told |= {"ansible_user": self.user} if self.user else {}
        told |= {"ansible_port": self.port} if self.port else {}
        return {"all": {"hosts": {self.address: told}}}


def deploy(
    host: Annotated[str, typer.Argument(metavar="[USER@]HOST[:PORT]", help="As ssh takes it.")],
    site: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name that browsers type; the host's address."),
    ] = None,
    tls: Annotated[
        Tls | None,
        typer.Option(
            metavar="MODE",
            help="Certificate: acme (default with --site), own (with --certificate), self-signed "
            "(otherwise), or plain for none.",
        ),
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Your own certificate, with its chain.")
    ] = None,
    key: Annotated[Path | None, typer.Option(metavar="PEM", help="Its key.")] = None,
    images: Annotated[
        Path | None,
        typer.Option(metavar="TAR", help="Images made by docker save; else built on the host."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A variable of the playbook. Repeatable; separated by spaces in the variable.",
        ),
    ] = None,
    ssh: Annotated[str, typer.Option(metavar="OPTIONS", help="More options of ssh.")] = "",
    check: Annotated[
        bool, typer.Option("--check", help="Say what would change, and change nothing.")
    ] = False,
    backup: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Instead: bring a backup here.")
    ] = None,
    restore: Annotated[
        Path | None, typer.Option(metavar="BACKUP", help="Instead: put a backup back.")
    ] = None,
    uninstall: Annotated[
        bool, typer.Option("--uninstall", help="Instead: give the host back as it was found.")
    ] = False,
) -> None:
    """Put the demo on a host of your own, behind HTTPS.

    The host: Debian 12 or 13, or Ubuntu 24.04, reached by SSH with a key, as root or with sudo.
    Nothing is changed before it is known to be fit. Again: an update, which a failure leaves
    undone. See docs/vps.md.
    """  # fmt: skip
    target = Target.parse(host)
    playbook, told = chosen(backup, restore, uninstall)
    told |= variables(site, tls, certificate, key, images) if playbook == "site.yml" else {}
    told |= pairs(settings or [])
    ask_ssh(target, shlex.split(ssh))
    if not play(target, ssh, playbook, told, check):
        raise LabError(
            f"{playbook} did not go through on {target.address}",
            hint="the last message above says why; it can be run again at any time",
        )


def chosen(
    backup: Path | None, restore: Path | None, uninstall: bool
) -> tuple[str, dict[str, Any]]:
    """The playbook, and what it alone is told. Raises UsageError for more than one."""
    if sum((backup is not None, restore is not None, uninstall)) > 1:
        raise UsageError("--backup, --restore and --uninstall are one at a time")
    if backup is not None:
        return "backup.yml", {"ntplab_backup_into": str(backup.absolute())}
    if restore is not None:
        if not restore.is_file():
            raise UsageError(f"{restore} is no file", hint="./ntplab deploy HOST --backup DIR")
        return "restore.yml", {"ntplab_backup": str(restore.absolute())}
    return ("uninstall.yml" if uninstall else "site.yml"), {}


def variables(
    site: str | None,
    tls: Tls | None,
    certificate: Path | None,
    key: Path | None,
    images: Path | None,
) -> dict[str, Any]:
    """Those of site.yml. Raises UsageError for files that are missing."""
    if (certificate is None) != (key is None):
        raise UsageError("--certificate and --key belong together")
    files = {
        "ntplab_tls_certificate": certificate,
        "ntplab_tls_key": key,
        "ntplab_images_archive": images,
    }
    if missing := [str(path) for path in files.values() if path and not path.is_file()]:
        raise UsageError(f"no such file: {', '.join(missing)}")
    told = {name: str(path.absolute()) for name, path in files.items() if path}
    by_default: Tls = "own" if certificate else "acme" if site else "self-signed"
    return {**told, **({"ntplab_site": site} if site else {}), "ntplab_tls": tls or by_default}


def pairs(settings: Sequence[str]) -> dict[str, Any]:
    """`NAME=VALUE` of --set; lists and mappings as YAML. Raises UsageError."""
    if wrong := [one for one in settings if not re.match(r"\w+=", one)]:
        raise UsageError(f"--set {wrong[0]}: NAME=VALUE is expected")
    split = (one.partition("=") for one in settings)
    return {name: _list_or_text(value) for name, _, value in split}


def _list_or_text(value: str) -> Any:
    if not value.startswith(("[", "{")):
        return value
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UsageError(f"--set: {value} is no YAML: {error}") from None


def ask_ssh(target: Target, options: Sequence[str]) -> None:
    """Log in once. Raises LabError with what to do, where ssh does not get in."""
    if shutil.which("ssh") is None:
        raise LabError("ssh is missing", hint="apt-get install openssh-client")
    port = ["-p", str(target.port)] if target.port else []
    patience = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={ANSWERS_WITHIN_S}"]
    command = ["ssh", *patience, *port, *options, target.login, "true"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise LabError(
            f"ssh does not get in to {target.login}",
            hint=refusal_hint(done.stderr, target),
            log_tail=done.stderr.strip().splitlines()[-5:],
        )


def refusal_hint(said: str, target: Target) -> str:
    """What to do about ssh's words."""
    for words, hint in _REFUSALS.items():
        if words in said:
            return hint.format(host=target.login, address=target.address)
    return f"try by hand: ssh {target.login}"


def play(target: Target, ssh: str, playbook: str, told: Mapping[str, Any], check: bool) -> bool:
    """Run a playbook against the one host; whether it went through."""
    with tempfile.TemporaryDirectory(prefix="ntplab-") as folder:
        inventory = Path(folder) / "inventory.json"
        inventory.write_text(json.dumps(target.inventory(ssh)))
        extra = Path(folder) / "variables.json"
        extra.write_text(json.dumps(dict(told)))
        ansible = [sys.executable, "-P", "-m", "ansible", "playbook"]
        command = [*ansible, "-i", str(inventory), "-e", f"@{extra}", playbook]
        out.step(f"ansible-playbook {playbook} for {target.login}")
        done = subprocess.run(
            [*command, *(["--check", "--diff"] if check else [])],
            cwd=PLAYBOOKS,
            env={**os.environ, "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg")},
            stdin=subprocess.DEVNULL,
            check=False,
        )
    return done.returncode == 0

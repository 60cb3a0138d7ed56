"""This machine as set-up sees it: programs, rights, packages of the distribution.

The only place of `setup/` that starts processes; tests put a fake in its stead.
"""

from __future__ import annotations

import grp
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import EngineError

Say = Callable[[str], None]
"""Told one line of progress."""

# An ordinary user's PATH often lacks the folders where daemons live.
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TAIL_LINES = 15


@dataclass(frozen=True)
class Ran:
    """How a program ended; `output` has stdout and stderr as they came."""

    code: int
    output: str

    @property
    def ok(self) -> bool:
        """Whether it ended well."""
        return self.code == 0

    @property
    def tail(self) -> list[str]:
        """Its last words."""
        return self.output.splitlines()[-TAIL_LINES:]


class Host:
    """The real machine."""

    def which(self, program: str) -> str | None:
        """Where a program is, in PATH or where daemons live."""
        return shutil.which(program, path=_environment()["PATH"])

    def is_root(self) -> bool:
        """Whether we are root already."""
        return os.geteuid() == 0

    def may_become_root(self) -> bool:
        """Root, or sudo without a password."""
        return self.is_root() or (
            self.which("sudo") is not None and self.run(["sudo", "-n", "true"]).ok
        )

    def run(self, argv: Sequence[str]) -> Ran:
        """Run a program to its end."""
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
                env=_environment(),
            )
        except OSError as error:
            return Ran(127, f"{argv[0]}: {error.strerror}")
        return Ran(done.returncode, done.stdout.decode(errors="replace"))

    def run_as_root(self, argv: Sequence[str]) -> Ran:
        """Run a program as root; only where `may_become_root`."""
        return self.run(argv if self.is_root() else ["sudo", "-n", *argv])

    def spawn_as_root(self, argv: Sequence[str], log: Path) -> None:
        """Start a daemon that outlives us and Ctrl-C; its words are appended to `log`."""
        # The shell opens the log: it is root's, and we may not be.
        script = f"exec {shlex.join(argv)} >>{shlex.quote(str(log))} 2>&1"
        self.run_as_root(["setsid", "--fork", "sh", "-c", script])

    def read(self, path: Path) -> str:
        """A file's text; empty when it is not there or not ours to read."""
        try:
            return path.read_text(errors="replace")
        except OSError:
            return ""

    def group_members(self, group: str) -> list[str]:
        """Who was put into a group; nobody when there is no such group."""
        try:
            return grp.getgrnam(group).gr_mem
        except KeyError:
            return []

    def replace_by(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Become another program."""
        os.execvpe(argv[0], list(argv), dict(env))

    def exists(self, path: Path) -> bool:
        """Whether there is such a file."""
        return path.exists()


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}"}


def install_command(packages: Sequence[str]) -> str:
    """What a user can type to get `packages`."""
    return f"sudo apt-get update && sudo apt-get install -y {' '.join(packages)}"


def install(host: Host, packages: Sequence[str], why: str, say: Say) -> None:
    """Install packages of the distribution, or raise `EngineError` with the exact command."""
    hint = install_command(packages)
    if host.which("apt-get") is None:
        raise EngineError(f"{why}, and this is no Debian or Ubuntu", hint=f"as there: {hint}")
    if not host.may_become_root():
        raise EngineError(f"{why}, and ntplab may not install it", hint=hint)
    say(f"{why}: installing {', '.join(packages)} from the distribution")
    env = ["env", "DEBIAN_FRONTEND=noninteractive"]
    for step in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        done = host.run_as_root([*env, "apt-get", *step])
        if not done.ok:
            raise EngineError(
                f"{why}, and it could not be installed", hint=hint, log_tail=done.tail
            )

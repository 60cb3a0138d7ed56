"""`docker compose`, version 2: there, installed from the distribution, or taken from Debian 13.

Debian 12 packages only the first version, which knows neither `up --wait` nor profiles as the demo
stack uses them. There the plugin of Debian 13's package is unpacked into the user's own folder of
plugins; it is one program that needs nothing of Debian 13. Nothing else of the machine changes.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from ..errors import EngineError
from .base_image import KEYRING, SUITE
from .engine import ensure_command
from .host import Host, Say, install, install_command

COMPOSE = ("docker", "compose")
PACKAGES = ("docker-compose-v2", "docker-compose-plugin", "docker-compose")
"""Ubuntu's, Docker's own, and Debian's from 13 on."""
VERSION_MIN = (2, 20)
"""The first with `up --wait` for profiles, and limits outside of a swarm."""
PLUGIN = "docker-compose"
WHERE = Path("usr/libexec/docker/cli-plugins") / PLUGIN
SOURCES = (Path("/etc/apt/sources.list"), Path("/etc/apt/sources.list.d"))
WHY = "docker compose (version 2) is missing"


def ensure_compose(say: Say, host: Host | None = None) -> tuple[int, ...]:
    """The version of `docker compose`, after getting it where it is missing or too old.

    Raises `EngineError` with a hint.
    """
    host = host or Host()
    ensure_command(host, say)
    if (found := compose_version(host)) is not None and found >= VERSION_MIN:
        return found
    package = next((name for name in PACKAGES if candidate(host, name) >= VERSION_MIN), None)
    if package is not None:
        install(host, [package], WHY, say)
    else:
        _take_plugin(host, say)
    made = compose_version(host)
    if made is None or made < VERSION_MIN:
        raise EngineError(f"{WHY}, and was installed to no avail", hint="docker compose version")
    return made


def compose_version(host: Host) -> tuple[int, ...] | None:
    """None where there is none."""
    asked = host.run([*COMPOSE, "version", "--short"])
    return _version(asked.output) if asked.ok else None


def candidate(host: Host, package: str) -> tuple[int, ...]:
    """The version of a package that apt would install; empty, which is below any, for none."""
    known = host.run(["apt-cache", "policy", package])
    found = re.search(r"Candidate: (?:\d+:)?(\S+)", known.output)
    return (_version(found[1]) or ()) if found else ()


def _version(text: str) -> tuple[int, ...] | None:
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", text.strip())
    return tuple(map(int, found.groups())) if found else None


def _take_plugin(host: Host, say: Say) -> None:
    """By apt, with lists and settings of its own, so that the machine's stay as they are."""
    mirror = debian_mirror(host)
    if mirror is None or host.which("apt-get") is None or not host.exists(KEYRING):
        raise EngineError(WHY, hint=f"install it, on Debian 13: {install_command(PACKAGES[-1:])}")
    say(f"{WHY}: taking the plugin of Debian {SUITE}'s package {PLUGIN}")
    with tempfile.TemporaryDirectory(prefix="ntplab-") as name:
        folder = Path(name)
        for part in ("lists/partial", "archives/partial", "root"):
            (folder / part).mkdir(parents=True)
        source = f"deb [signed-by={KEYRING}] {mirror} {SUITE} main\n"
        (folder / "sources.list").write_text(source)
        apt = f"apt-get {' '.join(apt_options(folder))}"
        into = Path.home() / ".docker" / "cli-plugins"
        steps = (
            f"{apt} update",
            f"cd '{folder}' && {apt} download {PLUGIN}",
            f"dpkg -x '{folder}'/{PLUGIN}_*.deb '{folder}/root'",
            f"install -D -m 0755 '{folder / 'root' / WHERE}' '{into / PLUGIN}'",
        )
        for step in steps:
            if not (done := host.run(["sh", "-c", step])).ok:
                hint = f"put the plugin into {into} by hand"
                raise EngineError(f"{WHY}, and cannot be had", hint=hint, log_tail=done.tail)


def apt_options(folder: Path) -> list[str]:
    """What makes apt use only `folder`; it needs no root then."""
    return [
        f"-oDir::Etc::SourceList={folder}/sources.list",
        "-oDir::Etc::SourceParts=-",
        f"-oDir::State::Lists={folder}/lists",
        f"-oDir::Cache={folder}",
        "-oDebug::NoLocking=1",
        "-oAPT::Sandbox::User=root",  # it could not write into our folder otherwise
    ]


def debian_mirror(host: Host) -> str | None:
    """The address that this machine has its Debian packages from, in either format of apt."""
    listing, parts = SOURCES
    files = [listing, *(sorted(parts.glob("*")) if parts.is_dir() else [])]
    for file in files:
        text = host.read(file)
        for pattern in (r"^deb\s+(?:\[[^]]*\]\s+)?(\S+)", r"^URIs:\s*(\S+)"):
            for found in re.finditer(pattern, text, re.MULTILINE):
                address = found[1].rstrip("/")
                if address.endswith("/debian"):
                    return address
    return None

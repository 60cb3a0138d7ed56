"""The image all others are made from: there, pulled, or made of the distribution's packages."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ..driver.base import ImageStore
from ..errors import ImageError
from .host import Host, Say, install

BASE_IMAGE = "debian:trixie-slim"
SUITE = "trixie"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# A registry that is there speaks at once; one behind a silent firewall never does.
REGISTRY_SILENCE_MAX_S = 20.0


def ensure_base_image(store: ImageStore, say: Say, host: Host | None = None) -> str:
    """The content id of `BASE_IMAGE`, after getting it where it is missing.

    Raises `ImageError`, or `EngineError` where packages would have to be installed.
    """
    if (found := store.image_id(BASE_IMAGE)) is not None:
        return found
    say(f"pulling {BASE_IMAGE}")
    try:
        store.pull_image(BASE_IMAGE, REGISTRY_SILENCE_MAX_S)
    except ImageError as error:
        say(f"{error}; making it of the distribution's packages instead")
        _make(store, say, host or Host())
    made = store.image_id(BASE_IMAGE)
    if made is None:
        raise ImageError(f"{BASE_IMAGE} was made and is not there")
    return made


def _make(store: ImageStore, say: Say, host: Host) -> None:
    if host.which("mmdebstrap") is None or not host.exists(KEYRING):
        packages = ["mmdebstrap", "debian-archive-keyring"]
        install(host, packages, f"mmdebstrap, which makes {BASE_IMAGE}, is missing", say)
    with tempfile.TemporaryDirectory(prefix="ntplab-") as folder:
        archive = Path(folder) / "root.tar"
        say(f"mmdebstrap: making {BASE_IMAGE}, about a minute")
        made = host.run(bootstrap_command(archive))
        if not made.ok:
            raise ImageError(
                f"{BASE_IMAGE} could not be made",
                hint=f"on a machine with a registry: docker pull {BASE_IMAGE}; "
                f"then bring it here with docker save and docker load",
                log_tail=made.tail,
            )
        with archive.open("rb") as content:
            store.import_image(content, BASE_IMAGE)


def bootstrap_command(archive: Path) -> list[str]:
    """mmdebstrap's, for the same small set of packages and files as the registry's image."""
    excluded = ("doc", "man", "info", "locale", "groff", "linda", "lintian")
    return [
        "mmdebstrap",
        "--variant=minbase",
        f"--keyring={KEYRING}",
        *(f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in excluded),
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        SUITE,
        str(archive),
    ]

"""The seccomp profile is Docker's default plus one rule; compose knows every image."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
CLONE_NEWTIME = 0x80
CLONE_NEWUSER = 0x10000000
PARENT = dict.fromkeys(("ntpsec", "openntpd", "timesyncd"), "booking")


def test_the_seccomp_profile_adds_one_rule_to_dockers_default() -> None:
    """seccomp-default.json is Docker's own file (see compose/seccomp.md), unchanged."""
    default = json.loads((ROOT / "compose/seccomp-default.json").read_text())
    ours = json.loads((ROOT / "compose/seccomp.json").read_text())
    added = ours["syscalls"].pop()
    assert ours == default
    assert added.pop("comment").startswith("ntplab: ")
    assert added == {
        "names": ["unshare"],
        "action": "SCMP_ACT_ALLOW",
        "args": [{"index": 0, "value": CLONE_NEWUSER | CLONE_NEWTIME, "op": "SCMP_CMP_EQ"}],
    }


def test_compose_builds_every_image_and_base_first() -> None:
    services = yaml.safe_load((ROOT / "compose/images.yaml").read_text())["services"]
    dockerfiles = {path.parent.name for path in (ROOT / "images").glob("*/Dockerfile")}
    assert set(services) == dockerfiles
    for name, service in services.items():
        assert service["image"] == f"ntplab/{name}"
        assert service["build"] == {"context": "../images", "dockerfile": f"{name}/Dockerfile"}
        assert service.get("depends_on") == (None if name == "base" else [PARENT.get(name, "base")])

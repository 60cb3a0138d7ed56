"""The seccomp profile is Docker's default plus one rule; compose knows every image."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CLONE_NEWTIME = 0x80
CLONE_NEWUSER = 0x10000000
ONCE = ("base", "prepare")
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


def stack() -> dict[str, Any]:
    services = yaml.safe_load((ROOT / "compose/compose.yaml").read_text())["services"]
    return dict(services)


def test_every_service_of_the_stack_is_shut_in() -> None:
    """What a new service could forget; tests/vps looks at real containers."""
    for name, service in stack().items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["user"] == "1000:1000", name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert {"mem_limit", "cpus", "pids_limit", "logging"} <= set(service), name
        assert ("healthcheck" in service) == (name not in ONCE), name
        assert not any("docker.sock" in str(volume) for volume in service.get("volumes", []))
        assert service["image"] == f"ntplab/{service['image'].partition('/')[2]}"


def test_settings_are_the_same_everywhere() -> None:
    """compose.yaml, .env.example, the reference and the page's own defaults."""
    from ntplab.stack.settings import DEFAULTS

    text = (ROOT / "compose/compose.yaml").read_text()
    used = set(re.findall(r"\$\{(NTPLAB_[A-Z_]+)", text))
    lines = (ROOT / "compose/.env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(example) == used
    rows = re.findall(
        r"^\| `(NTPLAB_[A-Z_]+)` \| (?:`([^`]*)`|empty)",
        (ROOT / "docs/reference/compose.md").read_text(),
        re.MULTILINE,
    )
    assert dict(rows) == example
    assert {name: example[name] for name in DEFAULTS} == DEFAULTS
    for name, default in re.findall(r"\$\{(NTPLAB_[A-Z_]+):-([^}$]+)\}", text):
        assert example[name] == default, name

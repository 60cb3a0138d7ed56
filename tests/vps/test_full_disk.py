"""The demo stack's disk fills up, and is emptied again: nobody restarts anything."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from .stack import Stack, build_images, wait_for

pytestmark = [pytest.mark.docker, pytest.mark.long]

SMALL = """
volumes:
  evidence:
    driver: local
    driver_opts: {type: tmpfs, device: tmpfs, o: "size=48m,uid=1000,gid=1000,mode=0755"}
"""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Its recordings on a disk of 48 MB."""
    stack = Stack.of(f"ntplab-test-{secrets.token_hex(3)}", tmp_path)
    small = tmp_path / "small.yaml"
    small.write_text(SMALL)
    stack.files.append(small)
    build_images()
    stack.make_secrets()
    try:
        stack.up()
        yield stack
    finally:
        stack("down", "-v", "-t", "5", check=False)


def attempts(stack: Stack) -> int:
    return sum(hall["attempts"] for hall in stack.state()["halls"])


def test_a_full_disk_is_said_and_survived(stack: Stack) -> None:
    wait_for("buyers", lambda: attempts(stack) > 5)
    page = stack.host("page")
    page.run("dd if=/dev/zero of=/evidence/filler bs=1M")
    wait_for("words", lambda: "disk is full" in stack.state()["about"].get("trouble", ""))
    assert stack.get("/").status_code == 200
    assert stack.inspect("page")["RestartCount"] == 0
    page.check_output("rm /evidence/filler")
    wait_for("the words to go", lambda: not stack.state()["about"].get("trouble"))
    before = attempts(stack)
    wait_for("buyers to go on", lambda: attempts(stack) > before)
    assert stack.inspect("page")["RestartCount"] == 0

"""Fixtures of the lab tests."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest_programs import Host, programs_machine
from .kit import SCENARIOS, Cli, StandingLab, free_port


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


@pytest.fixture(scope="session")
def programs_host() -> Iterator[Host]:
    """A machine with programs that time matters to, started once for all tests of them."""
    with programs_machine() as host:
        yield host


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandingLab]:
    """The lab of three.yaml, brought up once for a module of tests."""
    cli = Cli(tmp_path_factory.mktemp("standing"))
    name = f"test-{secrets.token_hex(3)}"
    port = free_port()
    scenario = (str(SCENARIOS / "three.yaml"), "--set", f"servers.marseille.port={port}")
    try:
        cli("up", *scenario, "--lab", name)
        yield StandingLab(name, cli, scenario, port)
    finally:
        cli("down", "--lab", name, exit_code=None)

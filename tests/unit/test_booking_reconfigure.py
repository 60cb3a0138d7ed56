"""A server that goes on with another policy: what the lab asks for, and what is made of it."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from booking import config, reconfigure, service
from booking.config import ConfigError, changes, read_settings
from booking.service import Service

from .asgi import call
from .booking_stub import StubService, settings, variables

CHANGE = {"generation": 3, "policy": "lease", "params": {"ttl_ns": 5}}


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return variables(tmp_path)


def test_the_file_wins_over_the_environment(env: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "booking.json"
    assert read_settings(env, changes(file)).policy.name == "unique"
    file.write_text(json.dumps(CHANGE))
    changed = read_settings(env, changes(file))
    assert (changed.policy.name, changed.params.ttl_ns, changed.generation) == ("lease", 5, 3)
    assert read_settings(env).generation == 0


@pytest.mark.parametrize("text", ["{", "[]", '{"policy": "lease"}', json.dumps({**CHANGE, "x": 1})])
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "booking.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"booking\.json"):
        changes(file)


def test_both_programs_mean_the_same_file() -> None:
    assert reconfigure.CHANGE_FILE == config.CHANGE_FILE


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "delimiter|property name"),
        ("[]", "JSON object"),
        ('{"policy": 5}', "JSON object"),
        ('{"policy": "lease", "param": {}}', "has no param"),
        ('{"policy": "lease", "params": []}', "params is a JSON object"),
    ],
)
def test_a_change_that_is_none_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], text: str, what: str
) -> None:
    with pytest.raises(ValueError, match=what):
        reconfigure.read_change(text)
    assert reconfigure.main([text]) == 2
    assert "usage: python3 -m booking.reconfigure" in capsys.readouterr().err


class App:
    """Stands for a running app: takes the change when it is sent SIGHUP, or refuses it."""

    def __init__(self, file: Path, refuses: bool = False) -> None:
        self.file, self.refuses = file, refuses
        self.health: dict[str, Any] = {
            "status": "ok", "policy": "unique", "generation": 0, "reloads": 0, "refused": None,
        }  # fmt: skip

    def hang_up(self, command: list[str], check: bool) -> None:
        assert command == ["s6-svc", "-h", "/run/service/app"]
        change = json.loads(self.file.read_text())
        self.health["reloads"] += 1
        if self.refuses:
            self.health["refused"] = "NTPLAB_POLICY: no"
        else:
            taken = {key: change[key] for key in ("policy", "generation")}
            self.health |= {**taken, "refused": None}


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    app = App(tmp_path / "booking.json")
    monkeypatch.setattr(reconfigure, "CHANGE_FILE", app.file)
    monkeypatch.setattr(reconfigure, "_health", lambda port: dict(app.health))
    monkeypatch.setattr(subprocess, "run", app.hang_up)
    return app


def test_each_change_has_a_number_of_its_own(app: App) -> None:
    wanted = json.dumps({"policy": "lease", "params": {"ttl_ns": 5}})
    assert reconfigure.main([wanted]) == 0
    assert json.loads(app.file.read_text()) == {**CHANGE, "generation": 1}
    app.health["generation"] = 7
    assert reconfigure.main([wanted]) == 0
    assert app.health["generation"] == 8


def test_a_refused_change_leaves_the_file_as_it_was(
    app: App, capsys: pytest.CaptureFixture[str]
) -> None:
    app.refuses = True
    assert reconfigure.main(['{"policy": "luck"}']) == 1
    assert not app.file.exists()
    assert json.loads(capsys.readouterr().out)["refused"] == "NTPLAB_POLICY: no"
    app.refuses = False  # what was refused before does not count against the next
    assert reconfigure.main(['{"policy": "unique"}']) == 0


class Restarted(Service):
    """Counts what a change makes of a service, without a database."""

    connected: list[str]

    async def _connect(self) -> None:
        self.connected.append(self.settings.policy.name)


async def test_on_sighup_the_service_begins_anew_with_the_change(
    env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "booking.json"
    monkeypatch.setattr(service, "changes", lambda: changes(file))
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    running = Restarted(settings(tmp_path))
    running.connected = []
    await running.start()
    file.write_text(json.dumps(CHANGE))
    running.reload()
    await asyncio.gather(running._tasks[0])
    assert running.connected[-1] == "lease"
    assert (running.settings.generation, running.reloads, running.refused) == (3, 1, None)

    file.write_text(json.dumps({**CHANGE, "policy": "luck"}))
    running.reload()
    assert running.refused
    assert "luck" in running.refused
    assert running.settings.policy.name == "lease"
    await running.stop()


async def test_readyz_says_which_change_is_in_force(tmp_path: Path) -> None:
    from booking.app import create_app

    stub = StubService(settings(tmp_path, generation=4))
    stub.refused = "no"
    answer = await call(create_app(stub), "GET", "/readyz")
    assert answer.document["generation"] == 4
    assert answer.document["refused"] == "no"

"""observer.json and the environment: what is accepted, and what is said of what is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from observer.config import (
    ConfigError,
    NodeConfig,
    anchor_from_environment,
    config_from_environment,
    parse_config,
)

LYON = {
    "name": "lyon",
    "page": "/clocks/lyon/page",
    "ntp": "lyon",
    "initial": {"offset_ns": -5_000_000_000, "drift_ppm": 50.0},
}
DB = {"name": "db", "page": "/clocks/db/page", "ntp": None}


def document(**changes: Any) -> str:
    return json.dumps({"sample_hz": 20, "belief_hz": 1, "nodes": [LYON, DB], **changes})


def test_nodes_are_read() -> None:
    config = parse_config(document())
    assert (config.sample_hz, config.belief_hz) == (20.0, 1.0)
    assert config.nodes == (
        NodeConfig("lyon", Path("/clocks/lyon/page"), "lyon", -5_000_000_000, 50.0),
        NodeConfig("db", Path("/clocks/db/page"), None, 0, 0.0),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "not JSON: "),
        ("[]", r"the file: expected an object, got \[\]"),
        (document(rate=1), "rate: unknown key"),
        (document(sample_hz=0), "sample_hz: expected a rate above 0 and up to 1000, got 0"),
        (document(sample_hz="20"), "sample_hz: expected int or float, got '20'"),
        (document(nodes=[3]), r"nodes\[0\]: expected an object, got 3"),
        (document(nodes=[{"name": "a"}]), r"nodes\[0\].page: expected str, got None"),
        (document(nodes=[{**DB, "drift": 1}]), r"nodes\[0\].drift: unknown key"),
        (
            document(nodes=[{**DB, "initial": {"offset_ns": 1.5}}]),
            r"nodes\[0\].initial.offset_ns: expected int, got 1.5",
        ),
        (document(nodes=[DB, DB]), r"nodes\[1\].name: 'db' is there twice"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=f"^{expected}"):
        parse_config(text)


def test_nodes_are_chosen_by_name_all_if_none() -> None:
    config = parse_config(document())
    assert [node.name for node in config.chosen([])] == ["lyon", "db"]
    assert [node.name for node in config.chosen(["db"])] == ["db"]
    with pytest.raises(ConfigError, match="oslo: no such clock, there are lyon, db"):
        config.chosen(["oslo"])


def test_the_environment_names_file_and_anchor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "observer.json"
    monkeypatch.setenv("NTPLAB_OBSERVER_CONFIG", str(path))
    monkeypatch.setenv("NTPLAB_ANCHOR_NS", "17")
    with pytest.raises(ConfigError, match="No such file"):
        config_from_environment()
    path.write_text("{}")
    with pytest.raises(ConfigError, match=f"{path}: nodes: expected list"):
        config_from_environment()
    path.write_text(document())
    assert len(config_from_environment().nodes) == 2
    assert anchor_from_environment() == 17
    monkeypatch.setenv("NTPLAB_ANCHOR_NS", "soon")
    with pytest.raises(ConfigError, match="NTPLAB_ANCHOR_NS: expected the anchor"):
        anchor_from_environment()

"""docs/reference/train.md says what `ntplab-train` says, and names every key and fact."""

from __future__ import annotations

import importlib.util
from dataclasses import fields
from pathlib import Path

from train.config import Config
from train.node import Settings

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = (ROOT / "docs/reference/train.md").read_text()


def test_the_command_line_is_current() -> None:
    """Otherwise: PYTHONPATH=images/train python images/train/reference.py (Python 3.11)."""
    spec = importlib.util.spec_from_file_location("r", ROOT / "images/train/reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert " ".join(module.page(REFERENCE).split()) == " ".join(REFERENCE.split())


def test_every_key_of_a_configuration_is_described() -> None:
    described = REFERENCE.partition("## A node's configuration")[2].partition("\n## ")[0]
    names = [field for field in fields(Config) if field.name != "settings"]
    for field in (*names, *fields(Settings)):
        assert f"{field.name}`" in described, field.name

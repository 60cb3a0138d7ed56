"""docs/reference/booking-api.md names every endpoint and every problem, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from booking.api import create_api
from booking.problems import PROBLEMS

from .booking_stub import StubService, settings

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "booking-api.md"


def test_every_endpoint_is_documented(tmp_path: Path) -> None:
    paths = create_api(StubService(settings(tmp_path))).openapi()["paths"]
    served = {f"{m.upper()} {path}" for path, by_method in paths.items() for m in by_method}
    documented = set(re.findall(r"`((?:GET|POST) /[a-z_/]+)`", REFERENCE.read_text()))
    assert documented == served


def test_every_problem_is_documented_with_its_status() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", REFERENCE.read_text(), re.MULTILINE)
    assert dict(rows) == {name: str(status) for name, (status, _) in PROBLEMS.items()}

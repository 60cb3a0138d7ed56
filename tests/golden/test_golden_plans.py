"""Scenario in; plan, topology, timeline and rendered files out, as they are kept beside it.

After a change that is meant, `NTPLAB_GOLDEN=write pytest tests/golden` writes them anew; the
difference belongs into the commit.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, astuple
from pathlib import Path

import pytest

from ntplab.planner import make_plan
from ntplab.render import render_files
from ntplab.scenario import load_scenario
from ntplab.timeline import timeline
from ntplab.topology import build, standing_buyers

HERE = Path(__file__).resolve().parent / "plan"
SCENARIOS = HERE.parents[2] / "playbooks" / "scenarios"
CASES = [SCENARIOS / "concert.yaml", HERE / "everything.yaml", HERE / "train.yaml"]
ANCHOR_NS = 1_700_000_000_000_000_000


def made(path: Path) -> dict[str, str]:
    """Everything the pure stages make of a scenario: file name -> content."""
    plan = make_plan(load_scenario(path))
    topology = asdict(build(plan, "golden", ANCHOR_NS))
    topology["buyers"] = None if plan.train else asdict(standing_buyers("golden", ANCHOR_NS))
    lines = ["\t".join(map(str, astuple(action))) for action in timeline(plan)]
    rendered = {
        f"rendered/{node}/{Path(file).name}": content.decode()
        for node, files in render_files(plan).items()
        for file, content in files.items()
    }
    return {
        "plan.json": json.dumps(plan.to_json(), indent=2) + "\n",
        "topology.json": json.dumps(topology, indent=2) + "\n",
        "timeline.tsv": "\n".join(lines) + "\n",
        **rendered,
    }


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_what_becomes_of_a_scenario(path: Path) -> None:
    folder = HERE / path.stem
    files = made(path)
    if os.environ.get("NTPLAB_GOLDEN") == "write":
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    kept = {
        str(file.relative_to(folder)): file.read_text()
        for file in folder.rglob("*")
        if file.is_file()
    }
    assert kept.keys() == files.keys()
    for name, text in files.items():
        assert kept[name] == text, name

"""The shipped scenario about oscillators: clocks stray as their models say, chronyd follows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from observer.oscillator import NS_PER_S, SCALED_PER_PPM, STEP_NS, Temperature, Wander, sum_scaled

from .kit import REPO, Cli, events

Run = tuple[Path, Any]


@pytest.fixture(scope="module")
def wander(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run of wander.yaml: its run directory and its results."""
    cli = Cli(tmp_path_factory.mktemp("wander"))
    results = cli.json("run", str(REPO / "playbooks" / "scenarios" / "wander.yaml"))
    return (cli.cwd / "runs" / "latest").resolve(), results


def test_what_the_scenario_expects_is_met(wander: Run) -> None:
    assert wander[1]["verdict"] == "met"


def in_force(directory: Path, phase: str, node: str) -> Any:
    """The event of the clock being set."""
    return next(
        event
        for event in events(directory)
        if event["event"] == "fault.in_force" and event["phase"] == phase and event["node"] == node
    )


@pytest.mark.parametrize("node", ["lyon", "marseille"])
def test_both_phases_have_the_same_oscillators_and_the_evidence_says_which(
    wander: Run, node: str
) -> None:
    directory, _ = wander
    told = [in_force(directory, phase, node)["oscillator"] for phase in ("free", "steered")]
    for models in told:
        for model in filter(None, (models["wander"], models["temperature"])):
            model.pop("since_lab_ns")
    assert told[0] == told[1]
    plan = json.loads((directory / "plan.json").read_text())
    clock = next(s["clock"] for s in plan["servers"] if s["name"] == node)
    assert told[0]["wander"] == clock["oscillator"]["wander"]
    assert told[0]["temperature"] == clock["oscillator"]["temperature"]


@pytest.mark.parametrize("node", ["lyon", "marseille"])
def test_a_clock_that_nobody_steers_gains_the_integral_of_its_models(
    wander: Run, node: str
) -> None:
    """By the sampled divergence and what events.jsonl says of the models, nothing else."""
    directory, _ = wander
    models = in_force(directory, "free", node)["oscillator"]
    walk = models["wander"] and Wander(**models["wander"])
    sinusoid = models["temperature"] and Temperature(**models["temperature"])

    def ppm(lab_ns: int) -> float:
        scaled = sum_scaled(models["constant_ppm"], walk, sinusoid, lab_ns)
        return scaled / SCALED_PER_PPM

    begin_ns = next(e["lab_ns"] for e in events(directory) if e["event"] == "phase.measuring")
    end_ns = begin_ns + 9 * NS_PER_S
    rows = pq.read_table(directory / "evidence" / "clock.parquet").to_pylist()
    samples = [
        (row["lab_ns"], row["divergence_ns"])
        for row in rows
        if row["node"] == node and begin_ns <= row["lab_ns"] <= end_ns
    ]
    (at_ns, began), (ended_ns, ended) = samples[0], samples[-1]
    gained_ns = late_ns = 0.0
    while at_ns < ended_ns:
        step_ends_ns = min(ended_ns, (at_ns // STEP_NS + 1) * STEP_NS)
        gained_ns += ppm(at_ns) * 1e-6 * (step_ends_ns - at_ns)
        # A turn may come at any time within its step; until then the step before it holds.
        late_ns += abs(ppm(at_ns) - ppm(at_ns - STEP_NS)) * 1e-6 * STEP_NS
        at_ns = step_ends_ns
    late = [e for e in events(directory) if e["event"] == "oscillator.late" and e["node"] == node]
    missed = sum(e["steps"] for e in late if begin_ns <= e["lab_ns"] <= end_ns)
    assert ended - began == pytest.approx(gained_ns, abs=late_ns * (1 + missed))
    assert abs(gained_ns) > 3 * late_ns

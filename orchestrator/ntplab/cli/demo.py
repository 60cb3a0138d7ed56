"""`demo`: the headline experiment, with a short story along the way."""

from __future__ import annotations

from pathlib import Path

import typer

from ..paths import REPO_DIR
from .loading import request
from .options import Json, Overrides
from .output import out
from .run import VERDICT_CODES, Keep, Out, Runs, Seed, conclude, perform
from .verdict import show_results

SCENARIO = REPO_DIR / "playbooks" / "scenarios" / "concert.yaml"

STORY = """\
A concert, three ticket servers, one rule: of two buyers who want the same seat, the one whose
server stamped the request earlier gets it. The rule is fair as long as the servers' clocks agree.
Each server is a container with a wall clock of its own, which a real chronyd steers over NTP.

  control   true clocks, no NTP:      is anything sold twice anyway?
  ntp-off   clocks wrong, no NTP:     lyon is five seconds slow, marseille fast and drifting
  ntp-on    NTP switched on:          the same clocks, corrected by their own chronyd
"""


def demo(
    seed: Seed = None,
    keep: Keep = False,
    out_directory: Out = None,
    overrides: Overrides = None,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Run the headline experiment: wrong clocks, and NTP's cure.

    Three ticket servers, first with true clocks, then with wrong ones, then with NTP on. Prints
    what was sold twice and why, and the verdict.
    """
    wanted = request(SCENARIO, overrides, seed, runs, out_directory, keep=keep)
    out.step(STORY)
    directory, results = perform(wanted)
    if json:
        out.json(results.model_dump(mode="json", by_alias=True))
    else:
        out.text("")
        show_results(results)
    conclude(directory, keep=keep)
    raise typer.Exit(VERDICT_CODES[results.verdict])

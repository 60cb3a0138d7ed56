"""First stage of the pipeline: a YAML file in, a valid `Scenario` or every problem at once out.

- source.py: text to plain data, remembering the line of every value; `--set` overrides
- types.py: quantities with units and limits as pydantic types
- base.py, nodes.py, workload.py, faults.py, models.py: what a scenario may say, key by key;
  models.py has the whole
- problems.py: pydantic's errors in words, with file and line
- salvage.py: what is left of a scenario without its broken parts, for the checks
- sweep.py, points.py: the `sweep:` block, and the scenario that holds at each of its points
- checks.py: what no single key can know: names, times, ports, expectations
- ntp_checks.py: that NTP is switched on the way it was switched off
- load.py: the steps above, in order
- reference.py: the JSON Schema and docs/reference/scenario.md, made from the models
"""

from .checks import ExpectationCheck
from .load import (
    Checks,
    Experiment,
    load_experiment,
    load_scenario,
    parse_experiment,
    parse_scenario,
)
from .models import Phase, Scenario, as_plain
from .points import SweepPoint, axes_of, point_words, value_words

__all__ = [
    "Checks",
    "ExpectationCheck",
    "Experiment",
    "Phase",
    "Scenario",
    "SweepPoint",
    "as_plain",
    "axes_of",
    "load_experiment",
    "load_scenario",
    "parse_experiment",
    "parse_scenario",
    "point_words",
    "value_words",
]

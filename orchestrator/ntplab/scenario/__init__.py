"""First stage of the pipeline: a YAML file in, a valid `Scenario` or every problem at once out.

    source.py    text to plain data, remembering the line of every value; `--set` overrides
    types.py     quantities with units and limits as pydantic types
    models.py    what a scenario may say, key by key
    problems.py  pydantic's errors in words, with file and line
    checks.py    what no single key can know: names, times, ports, expectations
    load.py      the steps above, in order
    reference.py the JSON Schema and docs/reference/scenario.md, generated from the models
"""

from .load import ExpectationCheck, load_scenario, parse_scenario
from .models import Fault, LoadPattern, Phase, Policy, Scenario, Server

__all__ = [
    "ExpectationCheck",
    "Fault",
    "LoadPattern",
    "Phase",
    "Policy",
    "Scenario",
    "Server",
    "load_scenario",
    "parse_scenario",
]

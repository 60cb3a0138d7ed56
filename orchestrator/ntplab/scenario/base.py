"""The base of every model of a scenario. Part of the first stage.

In all of them field names are the YAML keys. Every duration is held in nanoseconds, every
frequency error in ppm, every rate in events per second; the plan (next stage) carries the
units in its names. The descriptions become the JSON Schema and docs/reference/scenario.md.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Base of all: unknown keys are errors, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)

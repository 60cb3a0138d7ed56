"""What stands behind the chart: spans of NTP on, off or mixed, and faults. Part of the model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SHADES_MAX = 500


@dataclass
class Shades:
    """NTP by node, and the spans in which it was the same for all. Times in ms of lab time."""

    ntp: dict[str, str] = field(default_factory=dict)
    spans: list[dict[str, Any]] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)

    @property
    def state(self) -> str:
        """on, off, mixed, or unknown while nothing was said."""
        states = set(self.ntp.values())
        return states.pop() if len(states) == 1 else ("mixed" if states else "unknown")

    def switched(self, at_ms: float, node: str, state: str) -> None:
        """NTP of one node is now `state`."""
        before = self.state
        self.ntp[node] = state
        if self.state != before or not self.spans:
            if self.spans:
                self.spans[-1]["to"] = at_ms
            self.spans.append({"from": at_ms, "to": None, "state": self.state})
            del self.spans[:-SHADES_MAX]

    def struck(self, at_ms: float, node: str, kind: str, value: str) -> None:
        """A fault came into force."""
        self.faults.append({"at": at_ms, "node": node, "kind": kind, "value": value})
        del self.faults[:-SHADES_MAX]

"""A booking service without database, peers or chronyd, for tests of the HTTP side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from booking.chrony import Belief
from booking.clocks import Reading
from booking.config import Settings, read_settings
from booking.policy import (
    Claim,
    Decision,
    Hold,
    NoOutbox,
    NoParams,
    Order,
    Policy,
    Record,
    Surroundings,
    Verdict,
)
from booking.problems import ProblemError
from booking.service import Service

NOW = Reading(wall_ns=1_700_000_000_000_000_005, raw_ns=42)


class StubPolicy(Policy):
    """Holds every seat but `taken`; `boom` and `cut` fail as a bug and as a lost database do."""

    name = "stub"
    shared_database = True
    replicates = True
    params_type = NoParams

    def __init__(self, params: Any, around: Surroundings) -> None:
        super().__init__(params, around)
        self.records: dict[str, Record] = {}
        self.received: list[Claim] = []

    async def reserve(self, order: Order) -> Record:
        if order.seat == "boom":
            raise RuntimeError("a bug")
        if order.seat == "cut":
            raise ConnectionResetError("the database went away")
        if order.idempotency_key == "reused":
            raise ProblemError("idempotency-key-reused", "another body")
        decision: Decision = "rejected" if order.seat == "taken" else "held"
        claim = Claim(
            f"c-{order.seat}", "paris", order.phase, order.seat, order.buyer,
            NOW.wall_ns, NOW.raw_ns,
        )  # fmt: skip
        hold = Hold(NOW.wall_ns, NOW.wall_ns + 5, 5) if decision == "held" else None
        verdict = Verdict("paris", decision, decision, None, NOW.wall_ns, NOW.raw_ns, hold=hold)
        self.records[claim.claim_id] = Record(claim, self.name, verdict)
        return self.records[claim.claim_id]

    async def confirm(self, claim_id: str) -> Record:
        decision: Decision = "expired" if claim_id == "c-late" else "confirmed"
        return self._changed(claim_id, decision)

    async def cancel(self, claim_id: str) -> Record:
        if claim_id == "c-sold":
            raise ProblemError("already-confirmed", "sold")
        return self._changed(claim_id, "cancelled")

    async def receive(self, claims: Sequence[Claim]) -> None:
        self.received += claims

    def hear(self, peer: str, bound_ns: int, raw_ns: int) -> None:
        self.heard = peer, bound_ns, raw_ns

    def _changed(self, claim_id: str, decision: Decision) -> Record:
        if claim_id == "c-boom":
            raise RuntimeError("a bug")
        if claim_id not in self.records:
            raise ProblemError("unknown-claim", claim_id)
        record = self.records[claim_id]
        assert record.verdict is not None
        receipt = "r-1" if decision == "confirmed" else None
        verdict = replace(record.verdict, decision=decision, receipt_id=receipt)
        return replace(record, verdict=verdict)


class StubPool:
    """Answers every query with `rows`; raises `error` instead where one is set."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.error: Exception | None = None
        self.written: list[Any] = []

    async def fetch(self, query: str, *values: Any) -> list[dict[str, Any]]:
        if self.error:
            raise self.error
        return self.rows

    async def fetchval(self, query: str, *values: Any, timeout: float | None = None) -> int:
        await self.fetch(query)
        return 1

    async def executemany(self, query: str, rows: list[Any]) -> None:
        await self.fetch(query)
        self.written += rows

    def get_size(self) -> int:
        return 2

    def get_idle_size(self) -> int:
        return 1


class StubService(Service):
    """A service that is ready from the start, with the stub policy and pool."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.clock = lambda: NOW
        self.stub_pool = StubPool()
        around = Surroundings("paris", self.stub_pool, self.clock, NoOutbox(), lambda: "id")  # type: ignore[arg-type]
        self.stub_policy = StubPolicy(NoParams(), around)
        self.watch.belief = Belief("chronyd not running", "506 Cannot talk to daemon", NOW)
        self.make_ready()

    def make_ready(self, ready: bool = True) -> None:
        self._pool = self.stub_pool if ready else None  # type: ignore[assignment]
        self._policy = self.stub_policy if ready else None


def variables(tmp_path: Path, **more: str) -> dict[str, str]:
    """The least environment of server `paris`, with policy `unique`, and `more` of it."""
    password = tmp_path / "password"
    password.write_text("s3cret\n")
    return {
        "NTPLAB_NODE": "paris",
        "NTPLAB_POLICY": "unique",
        "NTPLAB_DB_HOST": "db",
        "NTPLAB_DB_PASSWORD_FILE": str(password),
        **more,
    }


def settings(tmp_path: Path, **changes: Any) -> Settings:
    """Settings of server `paris` with peer `lyon`."""
    env = variables(tmp_path, NTPLAB_PEERS="lyon=http://lyon:8000")
    return replace(read_settings(env), **changes)

"""The inequalities of the policies beyond the first three, at both sides of every edge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from ntplab.analysis.claims import Claim
from ntplab.analysis.clocks import ClockSeries
from ntplab.analysis.explain import MODELS, Explanation, Injected, World, model_of
from ntplab.evidence import Skew

from .test_analysis_explain import MS, T_NS, S, claim, world

DAY = 86_400 * S


def explain(policy: str, a: Claim, b: Claim, around: World) -> Explanation:
    return model_of(policy).explain(a, b, around)


def check(found: Explanation, reason: str) -> None:
    """Explained where no reason is expected, else unexplained for that reason."""
    assert found.status == ("unexplained" if reason else "explained")
    assert reason in found.reason
    assert bool(found.cause) is not bool(reason)
    assert found.words


def with_params(around: World, **fields: object) -> World:
    return replace(around, **fields)  # type: ignore[arg-type]


RIGHT = {"paris": 0, "lyon": 0}


# --- last-write-wins ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gap_ns", "lag_ns", "reason"),
    [
        (4 * MS, 5 * MS, ""),
        (4 * MS, None, ""),
        (5 * MS, 5 * MS, "lyon knew of the first claim"),
        (6 * MS, 5 * MS, "lyon knew of the first claim"),
    ],
)
def test_last_write_wins(gap_ns: int, lag_ns: int | None, reason: str) -> None:
    received = {} if lag_ns is None else {"lyon": T_NS + lag_ns}
    a = claim("b-1", "paris", T_NS, 0, received_ns=received)
    b = claim("b-2", "lyon", T_NS + gap_ns, 0)
    check(explain("last-write-wins", a, b, world(RIGHT)), reason)


def test_last_write_wins_says_whose_write_survives() -> None:
    a = claim("b-1", "paris", T_NS, 0)
    right = explain("last-write-wins", a, claim("b-2", "lyon", T_NS + MS, 0), world(RIGHT))
    slow = claim("b-2", "lyon", T_NS + MS, -S)
    wrong = explain("last-write-wins", a, slow, world({"paris": 0, "lyon": -S}))
    assert "b-2's, the last write" in right.words
    assert "b-1's, the earlier write" in wrong.words


def test_last_write_wins_on_one_server_is_not_explained() -> None:
    a, b = claim("b-1", "paris", T_NS, 0), claim("b-2", "paris", T_NS + 1, 0)
    assert explain("last-write-wins", a, b, world(RIGHT)).status == "unexplained"


# --- hybrid-logical -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gap_ms", "lag_a_ms", "lag_b_ms", "b_stamp", "reason"),
    [
        # B lower: crossed, and A decided (after 250 ms) before B's claim came
        (10, 20, 260, -1, ""),
        (10, 5, 260, -1, "lyon had seen the first claim and stamped below it"),
        (10, 20, 230, -1, "paris knew of the lower stamp when it decided"),
        # A lower: B decided before A's claim came
        (10, 270, 5, 1, ""),
        (10, 250, 5, 1, "lyon knew of the lower stamp when it decided"),
    ],
)
def test_hybrid_logical(
    gap_ms: int, lag_a_ms: int, lag_b_ms: int, b_stamp: int, reason: str
) -> None:
    t_b = T_NS + gap_ms * MS
    a = claim("b-1", "paris", T_NS, 0, received_ns={"lyon": T_NS + lag_a_ms * MS})
    b = claim("b-2", "lyon", t_b, 0, received_ns={"paris": t_b + lag_b_ms * MS})
    b = replace(b, stamp_ns=T_NS + b_stamp)
    check(explain("hybrid-logical", a, b, world(RIGHT)), reason)


def test_a_hybrid_stamp_is_compared_with_its_second_half() -> None:
    a = claim("b-1", "paris", T_NS, 0, logical=2)
    b = claim("b-2", "lyon", T_NS + MS, 0, logical=1)
    found = explain("hybrid-logical", a, replace(b, stamp_ns=T_NS), world(RIGHT))
    assert found.status == "explained"
    assert found.numbers_ns["lag_b"] is None


def test_a_hybrid_stamp_is_no_reading_of_the_clock() -> None:
    made = claim("b-1", "paris", T_NS, 5 * S, claimed_wall_ns=T_NS + 1)
    assert (made.stamp_ns, made.wall_ns) == (T_NS + 5 * S, T_NS + 1)
    assert replace(made, claimed_wall_ns=None).wall_ns == T_NS + 5 * S


# --- commit-wait --------------------------------------------------------------------------


def by_commit_wait(skew_ns: int, bound_ns: int, lag_ns: int | None = MS) -> Explanation:
    """A waits 250 ms on paris, right; B, on lyon, comes 300 ms later, slow by `skew_ns`."""
    t_b = T_NS + 300 * MS
    received = {} if lag_ns is None else {"paris": t_b + lag_ns}
    a = claim("b-1", "paris", T_NS, 0, bound_ns=bound_ns, received_ns={"lyon": T_NS + MS})
    b = claim("b-2", "lyon", t_b, -skew_ns, bound_ns=bound_ns, received_ns=received)
    around = with_params(world({"paris": 0, "lyon": -skew_ns}), params={"lag_ns": 200 * MS})
    return explain("commit-wait", a, b, around)


def test_commit_wait_is_explained_by_a_clock_beyond_its_bound() -> None:
    found = by_commit_wait(400 * MS, 50 * MS)
    check(found, "")
    assert "lyon promised to be within 50.000 ms and was 0.400 s off" in found.words


def test_commit_wait_is_explained_by_a_claim_that_was_late() -> None:
    check(by_commit_wait(400 * MS, 500 * MS, 201 * MS), "")
    check(by_commit_wait(400 * MS, 500 * MS, None), "")


def test_commit_wait_within_its_bounds_has_no_explanation() -> None:
    check(by_commit_wait(400 * MS, 500 * MS), "both clocks were within their bounds")
    check(by_commit_wait(200 * MS, 50 * MS), "knew of the lower stamp")


# --- leases -------------------------------------------------------------------------------


def hold(a: Claim, granted_ns: int, confirmed_ns: int) -> Claim:
    return replace(
        a, hold_granted_ns=granted_ns, hold_expires_ns=granted_ns + 2 * S, ttl_ns=2 * S,
        decided_ns=confirmed_ns,
    )  # fmt: skip


def by_uptime(longer_ns: int, confirmed_ns: int = T_NS + S) -> Explanation:
    """A holds a seat on paris for 2 s; B comes 0.9 s later to lyon, up `longer_ns` longer."""
    up = {"paris": 3 * DAY - T_NS, "lyon": 3 * DAY - T_NS + longer_ns}
    a = hold(claim("b-1", "paris", T_NS, 0), T_NS + up["paris"], confirmed_ns)
    b = claim("b-2", "lyon", T_NS + 900 * MS, 0)
    return explain("lease-monotonic", a, b, with_params(world(RIGHT), monotonic_ns=up))


@pytest.mark.parametrize(
    ("longer_ns", "confirmed_ms", "reason"),
    [
        (1101 * MS, 1000, ""),
        (90 * DAY, 1000, ""),
        (1099 * MS, 1000, "took a lease that had 1.100 s left"),
        (90 * DAY, 900, "paris had confirmed before lyon took the seat"),
        (90 * DAY, 2001, "its own clock said was over"),
    ],
)
def test_lease_monotonic(longer_ns: int, confirmed_ms: int, reason: str) -> None:
    check(by_uptime(longer_ns, T_NS + confirmed_ms * MS), reason)


def test_lease_monotonic_without_uptimes_cannot_be_judged() -> None:
    a = hold(claim("b-1", "paris", T_NS, 0), T_NS, T_NS + S)
    found = explain("lease-monotonic", a, claim("b-2", "lyon", T_NS + MS, 0), world(RIGHT))
    assert found.status == "undetermined"


def stepping(steps: Mapping[int, int]) -> World:
    """The database's clock: (from lab time, divergence)."""
    around = world(RIGHT)
    times = next(iter(around.clocks.values())).lab_ns
    shown = [[theta for since, theta in steps.items() if since <= at][-1] for at in times]
    series = ClockSeries(times, type(times)("q", shown))
    return with_params(around, clocks={**around.clocks, "db": series})


def by_database(
    around: World, came_ms: int = 900, confirmed_ms: int = 1100, noted_before_ms: int = 0
) -> tuple[Claim, Claim]:
    """A holds from the start for 2 s, B comes, A confirms; the database reads its clock that
    much later than the server its own, and says what the observer saw of it."""

    def shown(at_ns: int) -> int:
        theta = around.theta("db", at_ns)
        assert theta is not None
        return at_ns + theta.divergence_ns

    came_ns, confirmed_ns = T_NS + came_ms * MS, T_NS + confirmed_ms * MS
    a = replace(
        hold(claim("b-1", "paris", T_NS, 0), shown(T_NS), confirmed_ns - noted_before_ms * MS),
        answered_ns=T_NS + MS, judged_ns=shown(confirmed_ns), confirm_answered_ns=confirmed_ns + MS,
    )  # fmt: skip
    b = hold(claim("b-2", "lyon", came_ns - noted_before_ms * MS, 0), shown(came_ns), came_ns + S)
    return a, replace(b, answered_ns=came_ns + MS)


@pytest.mark.parametrize(
    ("forward_ns", "back_ms", "confirmed_ms", "reason"),
    [
        (3 * S, 950, 1100, ""),
        (1500 * MS, 950, 1100, ""),
        (1000 * MS, 950, 1100, "the lease was alive when lyon took it"),
        (1100 * MS, 950, 1100, "the lease was alive when lyon took it"),
        (1100 * MS + 1, 950, 1100, ""),
        (3 * S, 1500, 1100, "the lease was over when paris confirmed it"),
        (3 * S, 850, 800, "paris had confirmed before"),
    ],
)
def test_lease_db_time(forward_ns: int, back_ms: int, confirmed_ms: int, reason: str) -> None:
    """A holds for 2 s; the clock steps forward at 0.5 s; B comes at 0.9 s; it steps back."""
    around = stepping({0: 0, T_NS + S // 2: forward_ns, T_NS + back_ms * MS: 0})
    came_ms = 900 if back_ms > 900 else back_ms - 1
    check(explain("lease-db-time", *by_database(around, came_ms, confirmed_ms), around), reason)


def test_a_step_while_the_database_was_asked_for_the_time() -> None:
    """Seed 12 of database-clock: paris noted the time before the step back, and PostgreSQL read
    its clock after it."""
    around = stepping({0: 0, T_NS + S // 2: 3 * S, T_NS + 1050 * MS: 0})
    found = explain("lease-db-time", *by_database(around, noted_before_ms=80), around)
    check(found, "")
    assert found.numbers_ns["theta_b"] == 3 * S
    assert found.numbers_ns["theta_confirm"] == 0
    assert found.numbers_ns["confirmed_after"] == 200 * MS


@pytest.mark.parametrize("off_ns", [-3 * S, -2 * MS, 2 * MS, 3 * S])
def test_a_reading_that_the_databases_clock_never_showed_explains_nothing(off_ns: int) -> None:
    """Neither before the server asked nor after the buyer had the answer."""
    around = stepping({0: 0, T_NS + S // 2: 3 * S, T_NS + 950 * MS: 0})
    a, b = by_database(around)
    assert a.judged_ns is not None
    odd = replace(a, judged_ns=a.judged_ns + off_ns)
    check(explain("lease-db-time", odd, b, around), "its clock never showed while it was asked")


def test_lease_db_time_needs_the_databases_clock() -> None:
    a, b = by_database(stepping({0: 0}))
    assert explain("lease-db-time", a, b, world(RIGHT)).status == "undetermined"


def test_a_fenced_lease_has_no_explanation() -> None:
    a = hold(claim("b-1", "paris", T_NS, 0), T_NS, T_NS + S)
    found = explain("lease-fenced", a, claim("b-2", "lyon", T_NS + MS, 0), world(RIGHT))
    assert found.status == "unexplained"


# --- all of them --------------------------------------------------------------------------


@pytest.mark.parametrize("policy", sorted(MODELS))
def test_without_the_servers_records_nothing_is_explained(policy: str) -> None:
    a, b = claim("b-1", "paris", T_NS, 0), claim("b-2", "lyon", T_NS + MS, 0)
    bare = replace(b, claimed_ns=None, stamp_ns=None, decided_ns=None)
    around = with_params(world(RIGHT, records_whole=False), monotonic_ns=RIGHT)
    found = explain(policy, a, bare, around)
    wanted = "unexplained" if policy in ("unique", "lease-fenced") else "undetermined"
    assert found.status == wanted


def opportunity(policy: str, a: Claim, b: Claim, **injected: object) -> bool:
    around = Injected({"lyon": Skew(offset_ns=-5 * S)}, T_NS, 250 * MS, 2 * S, 5 * MS)
    return model_of(policy).opportunity([a, b], replace(around, **injected))  # type: ignore[arg-type]


@pytest.mark.parametrize("policy", ["commit-wait", "hybrid-logical"])
def test_opportunities_are_those_of_timestamp_order(policy: str) -> None:
    a, near = claim("b-1", "paris", T_NS, 0), claim("b-2", "lyon", T_NS + 200 * MS, 0)
    assert opportunity(policy, a, claim("b-2", "lyon", T_NS + S, 0))
    assert not opportunity(policy, a, near)
    assert not opportunity(policy, a, claim("b-2", "lyon", T_NS + 6 * S, 0))


def test_opportunities_of_last_write_wins_are_claims_within_the_lag() -> None:
    a = claim("b-1", "paris", T_NS, 0)
    assert opportunity("last-write-wins", a, claim("b-2", "lyon", T_NS + 4 * MS, 0))
    assert not opportunity("last-write-wins", a, claim("b-2", "lyon", T_NS + 5 * MS, 0))
    assert not opportunity("last-write-wins", a, claim("b-2", "paris", T_NS + 4 * MS, 0))


def test_opportunities_of_the_leases() -> None:
    held = hold(claim("b-1", "lyon", T_NS, 0), T_NS, T_NS + S)
    a = replace(held, confirm_sent_ns=T_NS + S)
    b = claim("b-2", "paris", T_NS + 900 * MS, 0)
    assert opportunity("lease-fenced", a, b), "lyon is 5 s slow: paris finds the lease over"
    assert opportunity("lease-db-time", a, b)
    assert not opportunity("lease-db-time", a, b, skews={})
    stepped = {"db": [(T_NS + S // 2, 3 * S)]}
    assert opportunity("lease-db-time", a, b, skews={}, struck=stepped)
    assert opportunity("lease-monotonic", a, b, monotonic_ns={"lyon": 0, "paris": DAY})
    assert not opportunity("lease-monotonic", a, b, monotonic_ns={"lyon": DAY, "paris": 0})
    too_early = replace(a, confirm_sent_ns=T_NS + S // 2)
    assert not opportunity("lease-monotonic", too_early, b, monotonic_ns={"paris": DAY})

"""Each policy's inequality, held at both sides of every edge, with claims made by hand."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import replace

import pytest

from ntplab.analysis.claims import Claim
from ntplab.analysis.clocks import ClockSeries
from ntplab.analysis.explain import Explanation, Injected, World, model_of
from ntplab.evidence import Skew

MS, S = 1_000_000, 1_000_000_000
T_NS = 1000 * S
"""when A claims"""
ERROR_NS = 1_000


def world(offsets_ns: Mapping[str, int], records_whole: bool = True) -> World:
    times = range(T_NS - 10 * S, T_NS + 10 * S, S // 20)
    clocks = {
        name: ClockSeries(array("q", times), array("q", [offset] * len(times)))
        for name, offset in offsets_ns.items()
    }
    return World(clocks, frozenset(offsets_ns), ERROR_NS, records_whole)


def claim(buyer: str, server: str, claimed_ns: int, theta_ns: int, **fields: object) -> Claim:
    made = Claim(
        attempt_id=f"a-{buyer}",
        seat="A-0012",
        buyer=buyer,
        server=server,
        holds_receipt=True,
        receipt_id=f"r-{buyer}",
        claim_id=f"c-{buyer}",
        sent_ns=claimed_ns - MS,
        stamp_ns=claimed_ns + theta_ns,
        claimed_ns=claimed_ns,
        decided_ns=claimed_ns + 250 * MS,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def explain(policy: str, a: Claim, b: Claim, around: World) -> Explanation:
    return model_of(policy).explain(a, b, around)


# --- timestamp-order ----------------------------------------------------------------------


def by_stamp(
    gap_ns: int, skew_ns: int, lag_ns: int | None, seen_skew_ns: int | None = None
) -> Explanation:
    """A on paris, right; B on lyon, slow by `skew_ns`, as the observer saw it unless said."""
    received = {} if lag_ns is None else {"paris": T_NS + gap_ns + lag_ns}
    a = claim("b-1", "paris", T_NS, 0)
    b = claim("b-2", "lyon", T_NS + gap_ns, -skew_ns, received_ns=received)
    seen_ns = skew_ns if seen_skew_ns is None else seen_skew_ns
    return explain("timestamp-order", a, b, world({"paris": 0, "lyon": -seen_ns}))


@pytest.mark.parametrize(
    ("gap_ns", "skew_ns", "lag_ns", "status"),
    [
        (900 * MS, 5 * S, 10 * MS, "explained"),
        (900 * MS, 5 * S, None, "explained"),
        (240 * MS + 1, 5 * S, 10 * MS, "explained"),
        (240 * MS, 5 * S, 10 * MS, "unexplained"),
        (10 * MS, 5 * S, 10 * MS, "unexplained"),
        (10 * MS, 5 * S, 240 * MS + 1, "explained"),
    ],
    ids=["inside", "never arrived", "just late", "just in time", "early", "slow news"],
)
def test_an_inverted_pair_must_lie_beyond_delta_minus_lag(
    gap_ns: int, skew_ns: int, lag_ns: int | None, status: str
) -> None:
    found = by_stamp(gap_ns, skew_ns, lag_ns)
    assert found.status == status
    assert bool(found.reason) == (status != "explained")


@pytest.mark.parametrize(("seen_skew_ns", "status"), [(950 * MS, "explained"), (800 * MS, "no")])
def test_an_inverted_pair_must_be_within_the_skew_that_the_observer_saw(
    seen_skew_ns: int, status: str
) -> None:
    """The stamps alone prove nothing: a server may stamp what it likes."""
    found = by_stamp(900 * MS, 5 * S, 10 * MS, seen_skew_ns)
    assert (found.status == "explained") == (status == "explained")
    if status == "no":
        assert "not below the clocks' difference of 0.800 s" in found.reason


def not_inverted(gap_ns: int, lag_ns: int | None) -> Explanation:
    received = {} if lag_ns is None else {"lyon": T_NS + lag_ns}
    a = claim("b-1", "paris", T_NS, 0, received_ns=received)
    b = claim("b-2", "lyon", T_NS + gap_ns, 0)
    return explain("timestamp-order", a, b, world({"paris": 0, "lyon": 0}))


@pytest.mark.parametrize(
    ("lag_ns", "status"),
    [(350 * MS + 1, "explained"), (350 * MS, "unexplained"), (None, "explained")],
)
def test_a_pair_in_order_needs_news_later_than_gap_plus_delta(
    lag_ns: int | None, status: str
) -> None:
    found = not_inverted(100 * MS, lag_ns)
    assert (found.status, found.cause) == (
        status,
        "late-replication" if status == "explained" else "",
    )


def test_equal_stamps_are_ordered_by_server_as_the_policy_does() -> None:
    """lyon < paris: with equal stamps B on lyon is the lower one, and only its skew explains it."""
    found = by_stamp(900 * MS, 900 * MS, 10 * MS)
    assert (found.status, found.cause) == ("explained", "clock-skew")


@pytest.mark.parametrize(("whole", "status"), [(True, "unexplained"), (False, "undetermined")])
def test_without_a_record_it_depends_on_whether_records_were_collected(
    whole: bool, status: str
) -> None:
    a = replace(claim("b-1", "paris", T_NS, 0), claimed_ns=None)
    b = claim("b-2", "lyon", T_NS + S, -5 * S)
    around = world({"paris": 0, "lyon": -5 * S}, records_whole=whole)
    assert explain("timestamp-order", a, b, around).status == status
    assert explain("lease", a, b, around).status == status


def test_without_clock_samples_it_is_undetermined() -> None:
    a, b = claim("b-1", "paris", T_NS, 0), claim("b-2", "lyon", T_NS + S, -5 * S)
    assert explain("timestamp-order", a, b, world({"paris": 0})).status == "undetermined"


def test_a_server_whose_own_claims_are_missing_explains_nothing() -> None:
    a, b = claim("b-1", "paris", T_NS, 0), claim("b-2", "lyon", T_NS + S, -5 * S)
    around = replace(world({"paris": 0, "lyon": -5 * S}), holders=frozenset({"lyon"}))
    assert explain("timestamp-order", a, b, around).status == "unexplained"


# --- lease --------------------------------------------------------------------------------


def by_lease(
    skew_ns: int = 5 * S, gap_ns: int = 900 * MS, confirmed_ns: int = 1200 * MS
) -> Explanation:
    """A on lyon with a right clock and a ttl of 2 s; B on paris, ahead by `skew_ns`."""
    a = claim(
        "b-1",
        "lyon",
        T_NS,
        0,
        hold_granted_ns=T_NS,
        hold_expires_ns=T_NS + 2 * S,
        decided_ns=T_NS + confirmed_ns,
    )
    b = claim("b-2", "paris", T_NS + gap_ns, skew_ns)
    return explain("lease", a, b, world({"lyon": 0, "paris": skew_ns}))


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        ({}, ""),
        ({"skew_ns": 1101 * MS}, ""),
        ({"skew_ns": 1099 * MS}, "took a lease that had 1.100 s left"),
        ({"confirmed_ns": 901 * MS}, ""),
        ({"confirmed_ns": 900 * MS}, "lyon had confirmed before paris took the seat"),
        ({"confirmed_ns": 1999 * MS}, ""),
        ({"confirmed_ns": 2001 * MS}, "confirmed a lease that its own clock said was over"),
    ],
)
def test_a_lease_is_explained_inside_its_inequality_only(pair: dict[str, int], reason: str) -> None:
    found = by_lease(**pair)
    assert found.status == ("unexplained" if reason else "explained")
    assert reason in found.reason


# --- all of them --------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["unique", "some-new-one"])
def test_where_there_is_no_condition_nothing_is_explained(policy: str) -> None:
    a, b = claim("b-1", "paris", T_NS, 0), claim("b-2", "lyon", T_NS + S, -5 * S)
    found = explain(policy, a, b, world({"paris": 0, "lyon": -5 * S}))
    assert (found.status, bool(found.reason)) == ("unexplained", True)


def injected(skew_ns: int, lag_ns: int = 10 * MS) -> Injected:
    return Injected({"lyon": Skew(offset_ns=-skew_ns)}, T_NS, 250 * MS, 2 * S, lag_ns)


@pytest.mark.parametrize(
    ("gap_ns", "expected"),
    [(240 * MS, False), (241 * MS, True), (999 * MS, True), (1000 * MS, False)],
)
def test_opportunity_of_timestamp_order(gap_ns: int, expected: bool) -> None:
    """Whatever the clocks really showed: the window is that of the injected errors."""
    claims = [claim("b-1", "paris", T_NS, 0), claim("b-2", "lyon", T_NS + gap_ns, 0)]
    assert model_of("timestamp-order").opportunity(claims, injected(S)) is expected
    same_buyer = [claims[0], replace(claims[1], buyer="b-1")]
    assert model_of("timestamp-order").opportunity(same_buyer, injected(S)) is False


@pytest.mark.parametrize(("gap_ns", "expected"), [(0, True), (999 * MS, True), (S, False)])
def test_opportunity_of_unique_has_no_wait(gap_ns: int, expected: bool) -> None:
    claims = [claim("b-1", "paris", T_NS, 0), claim("b-2", "lyon", T_NS + gap_ns, 0)]
    assert model_of("unique").opportunity(claims, injected(S)) is expected


@pytest.mark.parametrize(
    ("gap_ns", "confirm_ns", "expected"),
    [
        (1001 * MS, 1500 * MS, True),
        (1000 * MS, 1500 * MS, False),
        (2000 * MS, 2500 * MS, False),
        (1001 * MS, 1000 * MS, False),
    ],
    ids=["inside", "too much left", "over anyway", "confirmed before"],
)
def test_opportunity_of_lease(gap_ns: int, confirm_ns: int, expected: bool) -> None:
    """ttl 2 s, lyon 1 s slow: it is taken when less than 1 s is left."""
    a = claim("b-1", "lyon", T_NS, 0, hold_granted_ns=T_NS, confirm_sent_ns=T_NS + confirm_ns)
    b = claim("b-2", "paris", T_NS + gap_ns, 0)
    assert model_of("lease").opportunity([a, b], injected(S)) is expected

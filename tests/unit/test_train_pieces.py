"""Each pure piece by itself: what it says of any input."""

from __future__ import annotations

import random
import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train import airplug, timetable
from train.airplug import BEL, Header, HeaderMode, Zone
from train.channel import Channel, Pending
from train.link import Impairment, fates, link_chance
from train.ticket import NAME_BYTES_MAX, NS, BadValueError, Ticket, Wish
from train.window import Window

ZONES = ("UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda name: len(name.encode()) <= NAME_BYTES_MAX
)
instants = st.integers(0, 4_000_000_000)


def ticket(departure_ns: int = NS, zone: str = "UTC", **how: object) -> Ticket:
    given = {"ticket_id": 1, "origin": "Paris", "destination": "Lyon", "holder": "office", **how}
    return Ticket(departure_ns=departure_ns, zone=zone, **given)  # type: ignore[arg-type]


# tickets


@given(instants, st.sampled_from(ZONES), st.integers(-2, 2))
def test_a_wish_for_a_day_means_the_day_where_the_train_departs(
    at_s: int, zone: str, off: int
) -> None:
    there = datetime.fromtimestamp(at_s, ZoneInfo(zone)).date()
    wish = Wish(day=(there + timedelta(days=off)).isoformat())
    assert wish.fits(ticket(at_s * NS, zone)) == (off == 0)


def test_days_at_both_ends_of_the_earth_differ() -> None:
    at_ns = int(datetime(2026, 12, 24, 11, 30, tzinfo=UTC).timestamp()) * NS
    assert ticket(at_ns, "Pacific/Kiritimati").day == date(2026, 12, 25)
    assert ticket(at_ns, "Pacific/Niue").day == date(2026, 12, 24)


@pytest.mark.parametrize("day", ["20261224", "2026-W52-4", "2026-13-01", "", "tomorrow"])
def test_a_day_that_could_never_fit_is_refused(day: str) -> None:
    with pytest.raises(BadValueError, match="2026-12-24"):
        Wish(day=day)


@pytest.mark.parametrize(
    "how",
    [
        {"origin": ""}, {"origin": "x" * 41}, {"destination": "\ud800"}, {"holder": "🚄" * 31},
        {"ticket_id": 0}, {"price_cents": -1}, {"zone": "Mars/Base"}, {"zone": "../../etc/passwd"},
        {"departure_ns": -1}, {"departure_ns": 10**30},
    ],
)  # fmt: skip
def test_a_ticket_that_nobody_could_send_or_print_is_refused(how: dict[str, object]) -> None:
    with pytest.raises(BadValueError):
        ticket(**how)  # type: ignore[arg-type]


# windows and channels


@given(st.lists(st.integers(1, 30), max_size=60))
def test_a_window_knows_exactly_what_it_was_given(numbers: list[int]) -> None:
    window = Window()
    for number in numbers:
        window = window.add(number)
        assert number in window
    assert {number for number in range(1, 40) if number in window} == set(numbers)
    assert all(number > window.floor + 1 for number in window.above)


@given(st.permutations(range(1, 25)))
def test_a_window_without_gaps_takes_no_space(numbers: list[int]) -> None:
    window = Window()
    for number in numbers:
        window = window.add(number)
    assert window == Window(24)


@given(st.lists(st.integers(1, 500), max_size=120, unique=True), st.integers(1, 8))
def test_a_bounded_window_forgets_gaps_and_nothing_it_was_given(
    numbers: list[int], most: int
) -> None:
    window = Window()
    for at, number in enumerate(numbers):
        window = window.add(number, most)
        assert len(window.above) <= most
        assert all(seen in window for seen in numbers[: at + 1])


def pending(due_ns: int = 0) -> Pending:
    return Pending("REQ", "{}", 0, 0, None, due_ns, 10)


@given(st.integers(0, 20), st.integers(0, 25))
def test_a_channel_keeps_what_is_not_acknowledged(sent: int, floor: int) -> None:
    channel = Channel()
    for _ in range(sent):
        channel = channel.push(pending())
    channel = channel.acknowledged(floor)
    assert list(channel.outbox) == list(range(floor + 1, sent + 1))
    assert channel.push(pending()).last_uid == sent + 1


def test_a_repetition_waits_twice_as_long_up_to_the_most() -> None:
    channel = Channel().push(pending(due_ns=5))
    waits = []
    now_ns = 5
    for _ in range(5):
        assert [uid for uid, _ in channel.due(now_ns)] == [1]
        assert list(channel.due(now_ns - 1)) == []
        channel = channel.put_off(1, now_ns, 40)
        waits.append(channel.outbox[1].due_ns - now_ns)
        now_ns = channel.outbox[1].due_ns
    assert waits == [10, 20, 40, 40, 40]


@given(st.permutations([1, 2, 3, 4, 5]), st.data())
def test_a_channel_gives_each_message_once_whatever_the_network_does(
    order: list[int], data: st.DataObject
) -> None:
    channel, had = Channel(), []
    for uid in order + data.draw(st.lists(st.sampled_from(order))):
        if uid not in channel.window:
            had.append(uid)
        channel = channel.received(uid)
    assert had == order


# links


@given(st.integers(), st.floats(0, 1), st.floats(0, 1), st.integers(0, 50), st.integers(0, 50))
def test_fates_keep_to_their_bounds(
    seed: int, loss: float, doubled: float, least: int, more: int
) -> None:
    impairment = Impairment(loss, doubled, least, least + more)
    delays = fates(impairment, random.Random(seed))
    assert len(delays) <= 2
    assert all(least <= delay <= least + more for delay in delays)
    assert fates(impairment, random.Random(seed)) == delays


def test_fates_happen_as_often_as_they_should() -> None:
    chance = link_chance(1, "a", "b")
    counts = [len(fates(Impairment(0.2, 0.5), chance)) for _ in range(10_000)]
    assert 0.18 < counts.count(0) / 10_000 < 0.22
    assert 0.46 < counts.count(2) / (10_000 - counts.count(0)) < 0.54
    assert fates(Impairment(cut=True), chance) == ()


def test_links_are_drawn_apart_and_a_fault_moves_no_other_draw() -> None:
    one, other = link_chance(1, "a", "b"), link_chance(1, "b", "a")
    assert [one.random() for _ in range(4)] != [other.random() for _ in range(4)]
    plain, cut = link_chance(1, "a", "b"), link_chance(1, "a", "b")
    for _ in range(50):
        fates(Impairment(0.5, 0.5, 0, 9), plain)
        fates(Impairment(0.1, 0.9, 0, 9, cut=True), cut)
    assert plain.random() == cut.random()


@pytest.mark.parametrize(
    "how",
    [{"loss": 1.1}, {"duplication": -0.1}, {"delay_min_ns": 2, "delay_max_ns": 1},
     {"delay_min_ns": -1}],
)  # fmt: skip
def test_impossible_impairments_are_refused(how: dict[str, float]) -> None:
    with pytest.raises(BadValueError):
        Impairment(**how)  # type: ignore[arg-type]


# Airplug's headers


payloads = st.text(st.characters(exclude_characters=BEL + "\n", exclude_categories=["Cs"]))
apps = st.from_regex(re.compile(r"[A-Z]{3}"), fullmatch=True)


@given(payloads, st.sampled_from(HeaderMode), apps, apps, st.sampled_from(Zone))
def test_headers_round_trip(
    payload: str, mode: HeaderMode, source: str, destination: str, zone: Zone
) -> None:
    line = airplug.frame(payload, mode, Header(source, destination, zone))
    header, found = airplug.unframe(line, mode)
    assert found == payload
    assert "\n" not in line
    expected = {
        HeaderMode.WHAT: None,
        HeaderMode.WHATWHO: Header(source, destination),
        HeaderMode.WHATWHOWHERE: Header(source, destination, zone),
    }
    assert header == expected[mode]


def test_headers_are_written_as_the_design_says() -> None:
    header = Header("BAS", "NET", Zone.LOCAL)
    assert airplug.frame("^a~1^", HeaderMode.WHAT, header) == "^a~1^"
    assert airplug.frame("^a~1^", HeaderMode.WHATWHO, header) == "\x07BAS\x07NET\x07^a~1^"
    line = "\x07BAS\x07NET\x07LCH\x07^a~1^"
    assert airplug.frame("^a~1^", HeaderMode.WHATWHOWHERE, header) == line


@pytest.mark.parametrize(
    ("line", "mode"),
    [
        ("\x07BAS\x07NET\x07x", HeaderMode.WHAT), ("x", HeaderMode.WHATWHO),
        ("\x07BAS\x07NET\x07LCH\x07x", HeaderMode.WHATWHO),
        ("\x07BAS\x07NET\x07x", HeaderMode.WHATWHOWHERE),
        ("\x07bas\x07NET\x07x", HeaderMode.WHATWHO), ("\x07BASE\x07NET\x07x", HeaderMode.WHATWHO),
        ("x\x07BAS\x07NET\x07x", HeaderMode.WHATWHO),
        ("\x07BAS\x07NET\x07SKY\x07x", HeaderMode.WHATWHOWHERE),
    ],
)  # fmt: skip
def test_a_wrong_header_is_refused(line: str, mode: HeaderMode) -> None:
    with pytest.raises(BadValueError):
        airplug.unframe(line, mode)


# timetables

HEAD = "stop_from,stop_to,departure_date,departure_time,timezone,fare_price,seats\n"


def departures(*lines: str) -> list[datetime]:
    rows = timetable.read(HEAD + "\n".join(lines))
    return [datetime.fromtimestamp(row["departure_ns"] // NS, UTC) for row in rows]


def test_a_time_beyond_midnight_is_of_the_day_after() -> None:
    (found,) = departures("Paris,Lyon,20261224,25:30:00,Europe/Paris,29.90,1")
    assert found == datetime(2026, 12, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "time", "utc"),
    [
        ("20260329", "08:00:00", "2026-03-29T06:00:00+00:00"),
        ("20260329", "03:00:00", "2026-03-29T01:00:00+00:00"),
        ("20260329", "01:00:00", "2026-03-28T23:00:00+00:00"),
        ("20261025", "08:00:00", "2026-10-25T07:00:00+00:00"),
        ("20261025", "00:00:00", "2026-10-24T23:00:00+00:00"),
    ],
)
def test_times_of_days_that_change_their_clocks_count_from_noon(
    day: str, time: str, utc: str
) -> None:
    (found,) = departures(f"Paris,Lyon,{day},{time},Europe/Paris,,1")
    assert found == datetime.fromisoformat(utc)


@given(st.lists(st.tuples(instants, st.sampled_from(ZONES), texts, texts,
                          st.none() | st.integers(0, 999_999_999)), max_size=6))  # fmt: skip
def test_a_timetable_that_was_written_is_read_again(
    rows: list[tuple[int, str, str, str, int | None]],
) -> None:
    """Also on the days that the clocks change: departures stay at their instants."""
    tickets = [
        ticket(at_s * NS, zone, ticket_id=number, origin=a, destination=b, price_cents=price)
        for number, (at_s, zone, a, b, price) in enumerate(rows, 1)
        if a == a.strip() and b == b.strip() and not {"\0", "\r"} & {*a, *b}
    ]
    found = timetable.read(timetable.write(tickets))
    key = ("departure_ns", "zone", "origin", "destination", "price_cents")
    wanted = sorted(str([getattr(one, name) for name in key]) for one in tickets)
    assert sorted(str([row[name] for name in key]) for row in found) == wanted  # type: ignore


@pytest.mark.parametrize("day", [(2026, 3, 29), (2026, 10, 25), (2026, 4, 5), (2026, 10, 4)])
@pytest.mark.parametrize("zone", ZONES)
def test_every_half_hour_around_a_change_of_clocks_is_read_again(
    day: tuple[int, int, int], zone: str
) -> None:
    start = int(datetime(*day, tzinfo=ZoneInfo(zone)).timestamp()) - 12 * 3600
    tickets = [ticket((start + 1800 * step) * NS, zone, ticket_id=step + 1) for step in range(96)]
    rows = timetable.read(timetable.write(tickets))
    assert [row["departure_ns"] for row in rows] == [one.departure_ns for one in tickets]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: no column"),
        ("stop_from,stop_to\n", "line 1: no column departure_date"),
        (HEAD + "Paris,Lyon\n", "line 2: departure_time ''"),
        (HEAD + "Paris,Lyon,20261224,8h,Europe/Paris,,1\n", "line 2: departure_time '8h'"),
        (HEAD + "Paris,Lyon,20261324,08:00:00,Europe/Paris,,1\n", "line 2: departure_date"),
        (HEAD + "Paris,Lyon,20261224,08:00:00,Mars,,1\n", "line 2: timezone 'Mars'"),
        (HEAD + "Paris,Lyon,20261224,08:00:00,UTC,free,1\n", "line 2: fare_price 'free'"),
        (HEAD + "Paris,Lyon,20261224,08:00:00,UTC,,-1\n", "line 2: seats '-1'"),
        (HEAD + "Paris,Lyon,99991231,99:00:00,UTC,,1\n", "line 2: departure"),
        (HEAD + ",Lyon,20261224,08:00:00,UTC,,1\n", "line 2: ''"),
        (HEAD + "Paris,Lyon,20261224,08:00:00,UTC,," + "9" * 140_000, "line 1: field larger"),
    ],
)
def test_a_bad_timetable_is_refused_with_its_line(text: str, words: str) -> None:
    with pytest.raises(BadValueError, match=re.escape(words)):
        timetable.read(text)


def test_seats_are_tickets() -> None:
    rows = timetable.read(HEAD + "Paris,Lyon,20261224,08:00:00,Europe/Paris,29,3\n")
    assert len(rows) == 3
    assert {row["price_cents"] for row in rows} == {2900}

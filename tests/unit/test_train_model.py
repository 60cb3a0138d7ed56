"""Every order of events within small bounds, with the code that runs in a lab."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ntplab.bench import Bench, Figure, model_checking
from ntplab.driver.fake import FakeDriver
from ntplab.errors import LabError
from train import office as office_rules
from train.checking.__main__ import main
from train.checking.protocol import ProtocolModel
from train.checking.runs import RUNS, Run, check
from train.checking.search import Report, Search
from train.checking.system import SystemModel
from train.messages import Sync
from train.office_state import Office, Protocol, State, Step


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_every_order_of_events_comes_out_as_designed(run: Run) -> None:
    report = check(run)
    assert run.as_expected(report), f"{report.wrong}\n" + "\n".join(report.path)


def test_the_literal_protocol_sells_twice_in_seven_steps(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = Search(ProtocolModel(Protocol.LITERAL), 50_000).run()
    for number, step in enumerate(report.path, 1):
        print(f"{number}. {step}")
    assert report.wrong == "ticket 1 is owned twice: by c0 and c1"
    steps = capsys.readouterr().out.splitlines()
    assert len(steps) == 7
    assert any("the hold of ticket 1 ends" in step for step in steps)


def only(name: str) -> Run:
    return next(run for run in RUNS if run.name == name)


def test_a_hold_that_ends_after_the_transfer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The literal reading's cause, put into the other protocol."""
    transfer = office_rules._transfer

    def timed(rules: office_rules.Rules, office: Office, client: str, request: int) -> Step:
        step = transfer(rules, office, client, request)
        sales = {
            number: replace(sale, deadline_ns=1) if sale.state is State.TRANSFERRED else sale
            for number, sale in step.office.sales.items()
        }
        return replace(step, office=replace(step.office, sales=sales))

    monkeypatch.setattr(office_rules, "_transfer", timed)
    assert check(only("confirmed")).wrong is not None


def test_an_old_request_that_makes_a_new_hold_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    reserve = office_rules._reserve

    def forgetful(rules, office, client, request, wish, reading):  # type: ignore[no-untyped-def]
        return reserve(rules, replace(office, answered={}), client, request, wish, reading)

    monkeypatch.setattr(office_rules, "_reserve", forgetful)
    assert check(only("confirmed")).wrong is not None


def test_a_client_that_gives_up_in_confirming_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It never hears of its ticket: the office keeps it TRANSFERRED for ever."""
    from train import client as client_rules

    owned = client_rules._owned

    def deaf(client, request, ticket):  # type: ignore[no-untyped-def]
        step = owned(client, request, ticket)
        return replace(step, sends=())

    monkeypatch.setattr(client_rules, "_owned", deaf)
    report = check(only("confirmed"))
    assert report.wrong is None
    assert report.stuck > 0


def test_a_sync_that_overtakes_its_request_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told EXPIRED, the client is done: the late REQ must not hold a ticket for it."""

    def unburned(rules, office, client, request, reading):  # type: ignore[no-untyped-def]
        return Step(office, tuple(office_rules._again(rules, office, client, request, reading)))

    rules = ProtocolModel(Protocol.CONFIRMED).rules
    office = ProtocolModel(Protocol.CONFIRMED).start[0]
    assert isinstance(office, Office)
    now = office_rules.Reading(0, 0)
    synced = office_rules.handle(rules, office, "c0", Sync(1), now).office
    late = office_rules.handle(rules, synced, "c0", office_rules.Req(1, office_rules.Wish()), now)
    assert late.answers == (office_rules.Expired(1),)
    assert late.office.sales[1].state is State.AVAILABLE
    monkeypatch.setattr(office_rules, "_synced", unburned)
    assert "ended request" in str(check(only("confirmed")).wrong)


def test_a_cut_that_counts_before_it_records_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from traincounting import count_before_recording

    count_before_recording(monkeypatch)
    report = check(only("snapshot"))
    assert report.wrong is not None or report.stuck > 0


def test_figures_are_reported(capsys: pytest.CaptureFixture[str],
                              monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    runs = (only("literal"), only("confirmed"))
    monkeypatch.setattr("train.checking.__main__.RUNS", runs)
    assert main(["--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["name"] for line in lines] == ["literal", "confirmed"]
    assert all(line["states_per_second"] > 0 and line["as_expected"] for line in lines)
    assert main([]) == 0
    assert "7. c1 takes TICKET" in capsys.readouterr().out


def test_the_benchmark_reports_states_per_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_checking, "CHECKED", "confirmed")
    monkeypatch.setattr(model_checking, "RUNS", 1)
    bench = Bench(FakeDriver, tmp_path, lambda _words: None, frozenset({model_checking.STATES}))
    (figure,) = model_checking.measure(bench)
    assert isinstance(figure, Figure)
    assert figure.ours > 0
    assert (figure.unit, figure.better) == ("states/s", "higher")


def test_a_benchmark_that_cannot_run_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_checking, "CHECKED", "nothing")
    with pytest.raises(LabError, match="invalid choice"):
        model_checking.states_per_second()


def test_a_flaw_that_was_not_found_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(only("literal"), model=ProtocolModel(Protocol.CONFIRMED))
    monkeypatch.setattr("train.checking.__main__.RUNS", (wrong,))
    assert main([]) == 1


def test_a_bound_ends_a_search_that_is_not_exhausted() -> None:
    report: Report = Search(SystemModel(snapshots=1), 50).run()
    assert not report.exhausted
    assert report.states >= 50

"""Makes the train's part of a plan from a scenario. Beside `planner.py`, which calls it. Pure."""

from __future__ import annotations

from .scenario.train import Links, Train, TrainLoad, shape
from .train_plan import CustomersPlan, LinkPlan, TrainPlan, WishPlan

ONE_DEPARTURE = (
    "trip_id,stop_from,stop_to,departure_date,departure_time,timezone,fare_price,seats\n"
    "TGV 6601,Paris Gare de Lyon,Lyon Part-Dieu,20991220,06:00:00,Europe/Paris,79.00,{seats}\n"
)
"""Where a scenario only says how many tickets there are."""
VECTORS_CLIENTS_MAX = 12
"""Vector clocks, which only check snapshots, make each message longer by every node."""
RETRY_TIMES_MAX = 4
"""Retries are spaced out up to so many times the first."""


def plan_train(train: Train) -> TrainPlan:
    """Everything `train:` says, resolved."""
    clients = tuple(client.name for client in train.clients)
    tickets = train.tickets
    timetable = ONE_DEPARTURE.format(seats=tickets) if isinstance(tickets, int) else tickets
    return TrainPlan(
        office=train.office.name,
        clients=clients,
        protocol=train.protocol,
        hold_clock=train.hold_clock,
        hold_ns=train.hold,
        auto_confirm=train.confirm == "auto",
        topology=train.topology,
        neighbors=shape(train.topology, train.office.name, clients),
        timetable=timetable,
        links=plan_links(train.links),
        retry_ns=train.retry,
        settings={
            # The farthest node of a ring that runs one way is all nodes away.
            "hops": len(clients) + 2,
            "retry_ns": train.retry,
            "retry_max_ns": RETRY_TIMES_MAX * train.retry,
            "vectors": len(clients) <= VECTORS_CLIENTS_MAX,
        },
    )


def plan_links(links: Links) -> LinkPlan:
    """One impairment."""
    return LinkPlan(links.delay[0], links.delay[1], links.loss, links.duplication)


def plan_customers(load: TrainLoad) -> CustomersPlan:
    """One load."""
    wishes = tuple(WishPlan(wish.origin, wish.destination, wish.day) for wish in load.wishes)
    return CustomersPlan(load.think, load.requests, wishes)

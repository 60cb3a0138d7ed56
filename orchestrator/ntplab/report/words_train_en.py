"""The report of a run of the train system in English: added to `words_en.py`."""

WORDS: dict[str, str] = {
    "short_train": "{phase} (NTP {ntp}): tickets sold twice: {doubles}, of {sold} sales; clocks up "
    "to {apart} apart.",
    "train_traffic_title": "Tickets per second, and holds that expired",
    "tickets_per_second": "tickets per second",
    "train_owned": "a client came to own a ticket",
    "train_expired": "a hold expired",
    "tickets": "Tickets",
    "requests_ended": "requests ended",
    "train_sold": "sold",
    "per_second": "a second",
    "holds_expired": "holds expired",
    "tickets_note": "A ticket is sold twice when two clients own it at once. A double sale is "
    "explained by the inequality of the office’s hold with measured numbers in it, or it is not.",
    "waiting": "From a request to owning the ticket",
    "requests_open": "still open",
    "refused": "refused",
    "hold_clock_steps": "holds ended early",
    "receipt_conflicts": "receipts too late",
    "contradictions": "owned, not sold so",
    "tickets_twice": "Tickets sold twice",
    "ticket": "Ticket {ticket}",
    "cause_late-receipt": "receipt too late",
    "cause_reclaimed": "reclaimed by an operator",
    "office": "office",
    "held_for": "held for {client}",
    "train_owns": "{client} owns it",
    "hold_expired": "hold expires",
    "granted": "held for the first client",
    "granted_again": "held for the second client",
    "first_owns": "the first client owns it",
    "second_owns": "the second client owns it",
    "hold_clock": "the office’s hold clock",
    "hold_ran": "the hold clock ran {ran} while {passed} of true time passed: {moved} between them",
    "train_pair_title": "One ticket in true time: the office’s holds, and who came to own it",
    "train_sentence_late-receipt": "Ticket {ticket}: the hold of {first} ({hold}) ran out after "
    "{true_time_passed}, before its receipt came; then it was held for {second}.",
    "train_sentence_clock-step": "Ticket {ticket}: the hold of {first} ({hold}) ran out after "
    "{true_time_passed} of true time, because the office’s clock was moved by "
    "{hold_clock_moved}; then it was held for {second}.",
    "train_sentence_reclaimed": "Ticket {ticket}: an operator reclaimed it from {first}, who "
    "owns it; then it was held for {second}.",
    "chain": "What became of it, in seconds of the phase",
    "chains": "Whom each ticket went to",
    "chains_of": "{n} tickets that moved in this phase",
    "no_ticket_twice": "No ticket was sold twice, of {n} that came to be owned.",
    "snapshots": "Snapshots",
    "epoch": "epoch",
    "machines_in_it": "parts",
    "crossing": "messages crossing",
    "state_available": "available",
    "state_held": "held",
    "state_transferred": "transferred",
    "state_deleted": "received",
    "snapshot_sentence": "{taken} taken, {inconsistent} of them inconsistent; the slowest was "
    "whole after {longest}; {messages} extra messages.",
    "load_sentence": "{loads} loaded, in {longest} at most; {differences} differences from the "
    "cut and what happened since.",
    "train_theory_literal": "The literal protocol sells a ticket twice when the office’s hold "
    "({hold}, on its {clock}) runs out before the receipt comes: because messages take longer "
    "than it, or because that clock is moved.",
    "train_theory_confirmed": "The confirmed protocol never puts a ticket back once it is "
    "transferred, so no delay, loss or clock (holds: {hold}, on the {clock}) can sell it twice.",
    "clock_wall": "wall clock",
    "clock_monotonic": "monotonic clock",
    "messages": "messages made",
    "transmissions": "let out",
    "per_reservation": "per reservation",
    "flooding_bound": "at most, by flooding",
    "bound_share": "of the bound",
    "flooding_note": "By flooding each message is let out once by each node at most: the bound "
    "is messages times nodes.",
    "limit_train_zero": "{phase}: no ticket sold twice in {n} sales, so the true rate may still "
    "be up to {high} (95 %) under these delays and clocks.",
    "limit_train_model": "It shows protocol {protocol} over links whose delay and loss the lab "
    "makes, with these parameters, and no other.",
}

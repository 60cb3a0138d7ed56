"""The load of one phase: open-loop buyers whose every attempt is recorded.

    load.json ─► load ─► arrivals ─► runner ─► records ─► standard output
                (checked)  (drawn)    (sent by client)

Its clock is not virtual: due, sent and answered are lab time.
"""

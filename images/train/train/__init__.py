"""Train tickets over Airplug: an office, clients, logical stamps, snapshots.

Everything in this package that decides is free of I/O: events and clock readings go in, a new
state and messages come out. The shells (`memory`, `tcp`, `airplug`) carry lines and read clocks.
Only Python's standard library is used, so that a node runs wherever Python does.
"""

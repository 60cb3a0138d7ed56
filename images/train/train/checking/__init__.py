"""Model checking of the real transition functions: every order of events within small bounds.

`search.py` walks the states, `protocol.py` is office and clients alone, `system.py` whole nodes
with snapshots, load and restarts. `python -m train.checking` runs all of it and reports figures.
"""

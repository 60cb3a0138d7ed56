"""ntplab: what wrong clocks do to a reservation system, and what NTP really changes.

Read `run.py` first: it tells the story of a run, every step in order.
"""

__version__ = "0.1.0"

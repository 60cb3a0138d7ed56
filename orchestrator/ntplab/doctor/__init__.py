"""`ntplab doctor`: can this machine run a lab, and if not, what is missing?

`probes.py` and `trial.py` look, `checks.py` judges; nothing here changes the machine.
"""

from .checks import Check, Status
from .examination import examine

__all__ = ["Check", "Status", "examine"]

"""Judging the train system: facts of the nodes in, figures out.

facts.py    the evidence as objects      sales.py    who owned what, double sales explained
traffic.py  messages, flooding bound     cuts.py     snapshots as cuts, loads against them
figures.py  one phase: read this first
"""

from .facts import TrainEvidence, is_train, load_train
from .figures import judge_phase
from .sales import double_sales

__all__ = ["TrainEvidence", "double_sales", "is_train", "judge_phase", "load_train"]

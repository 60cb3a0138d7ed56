"""The nodes of a train system in a running lab. After driver, collect and faults, before lab.

asking.py   questions to a node's control socket; its place on the network
nodes.py    all nodes of one lab: what they say, their load, restarts, snapshots
"""

from .nodes import TrainNodes

__all__ = ["TrainNodes"]

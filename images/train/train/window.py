"""Which numbers of a sequence have been seen, in bounded space while gaps stay few."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """Every number up to `floor` has been seen, and those in `above`."""

    floor: int = 0
    above: frozenset[int] = frozenset()

    def __contains__(self, number: int) -> bool:
        return number <= self.floor or number in self.above

    def add(self, number: int, above_max: int | None = None) -> Window:
        """With `number` (1 or more) seen. Where more than `above_max` would be kept, the oldest
        gaps count as seen: for numbers that are never sent again when they are lost."""
        if number in self:
            return self
        above = set(self.above | {number})
        floor = self.floor
        if above_max is not None and len(above) > above_max:
            floor = min(above)
            above.remove(floor)
        while floor + 1 in above:
            floor += 1
            above.remove(floor)
        return Window(floor, frozenset(above))

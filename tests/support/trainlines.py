"""Lines as nodes write them, and every way to spoil them, for fuzzing. Drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

from train import commands
from trainworld import JOURNEY, OFFICE, World, stormy

MODES_HEADERS = ("", "\x07BAS\x07NET\x07", "\x07BAS\x07NET\x07LCH\x07", "\x07ALL\x07ALL\x07SKY\x07")


def real_lines(seed: int = 7, events: int = 700) -> list[str]:
    """What a system under faults sends, of every kind that came up; for every node alike."""
    chance, lines = random.Random(seed), set()
    world = World("ring", 2)
    for _ in range(3):
        world.command(OFFICE, commands.create_ticket, **JOURNEY)
    for _ in range(events // 10):
        stormy(world, chance, 10)
        lines |= {line for _, line in world.lines}
    return sorted(lines)


def spoiled(chance: random.Random, lines: list[str]) -> Iterator[bytes]:
    """Endless: each is not what any node wrote."""
    whole = set(lines)
    while True:
        line = _SPOILERS[chance.randrange(len(_SPOILERS))](chance, lines)
        if line.decode("utf-8", "replace") not in whole and b"\n" not in line:
            yield line


def _noise(chance: random.Random, _lines: list[str]) -> bytes:
    return chance.randbytes(chance.randrange(200))


def _letters(chance: random.Random, _lines: list[str]) -> bytes:
    alphabet = '^~%{}[]":,abcorgdst0123456789\x07é€'
    return "".join(chance.choices(alphabet, k=chance.randrange(120))).encode()


def _bit(chance: random.Random, lines: list[str]) -> bytes:
    line = bytearray(chance.choice(lines).encode())
    line[chance.randrange(len(line))] ^= 1 << chance.randrange(8)
    return bytes(line)


def _cut(chance: random.Random, lines: list[str]) -> bytes:
    line = chance.choice(lines).encode()
    return line[chance.randrange(len(line)) :] if chance.random() < 0.5 else (
        line[: chance.randrange(len(line))])  # fmt: skip


def _torn(chance: random.Random, lines: list[str]) -> bytes:
    """One writer's line in the middle of another's."""
    one, other = chance.choice(lines).encode(), chance.choice(lines).encode()
    at = chance.randrange(1, len(one))
    return one[:at] + other[: chance.randrange(len(other))] + one[at:]


def _joined(chance: random.Random, lines: list[str]) -> bytes:
    one, other = chance.choice(lines).encode(), chance.choice(lines).encode()
    return one[: chance.randrange(1, len(one))] + other[chance.randrange(1, len(other)) :]


def _long(chance: random.Random, lines: list[str]) -> bytes:
    return chance.choice(lines).encode() * chance.randrange(2, 6)


def _header(chance: random.Random, lines: list[str]) -> bytes:
    wrong = chance.choice(MODES_HEADERS[1:])
    return (wrong + chance.choice(lines)[: chance.randrange(3, 90)]).encode()


_SPOILERS = (_noise, _letters, _bit, _bit, _cut, _torn, _joined, _long, _header)

"""All attacks, and how often each comes: the same ones for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from tests.chaos.hostile import bodies, headers, heads
from tests.chaos.hostile.wire import Attack, mark_of, request


def harmless(rng: Random, mark: str) -> Attack:
    """A neighbour: whatever the others do, it is answered and counted."""
    return Attack("harmless", mark, (request(mark),), wished=200)


WEIGHTS: dict[Callable[[Random, str], Attack], int] = {
    harmless: 10,
    heads.method: 6,
    heads.path: 14,
    heads.noisy_path: 8,
    heads.target: 6,
    heads.excluded: 4,
    heads.query: 6,
    heads.status: 6,
    headers.header: 10,
    headers.strange_header: 5,
    headers.many_headers: 2,
    headers.edge_id: 6,
    headers.hops: 4,
    headers.host: 3,
    headers.charset: 3,
    headers.cookie: 2,
    bodies.chunked: 5,
    bodies.length: 4,
    bodies.form: 2,
    bodies.aborted: 2,
    bodies.pipelined: 2,
    bodies.not_http: 4,
    bodies.slow: 2,
    bodies.cut_short: 2,
    bodies.gone: 2,
}


def attacks(seed: int, count: int) -> Iterator[Attack]:
    """The attacks of a seed."""
    for number in range(count):
        yield attack(seed, number)


def attack(seed: int, number: int) -> Attack:
    """One of them: it follows from seed and number alone, so that it can be sent again by itself."""
    rng = Random(f"{seed}:{number}")
    (make,) = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))
    return make(rng, mark_of(number))

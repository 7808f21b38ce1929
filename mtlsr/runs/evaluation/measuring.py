"""From methods and images to figures: decoding and measuring run beside the networks."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

from mtlsr.data.images import read_header
from mtlsr.data.pairs import EvaluationPair, EvaluationSet
from mtlsr.errors import UserError
from mtlsr.inference.methods.base import Method, UInt8
from mtlsr.metrics.protocol import Protocol
from mtlsr.metrics.table import Measure
from mtlsr.runs.evaluation.measures import STANDARD, score
from mtlsr.runs.evaluation.processes import ALONE, Processes
from mtlsr.runs.evaluation.results import Results

AHEAD = 2
"""Batches that are decoded before they are needed."""

WAITING = 16
"""Outputs, for each measuring thread, that may wait to be measured."""


class Place(NamedTuple):
    """Where an image is: which set, and which of its images."""

    dataset: int
    image: int


Decoded = list[tuple[Place, EvaluationPair]]
"""Pairs of equal size."""

Row = tuple[tuple[int, ...], dict[str, Any]]
"""Its place in the order of all rows, and what is in it."""

Track = Callable[[Sequence[list[Place]]], Iterable[list[Place]]]
"""Passes batches on and shows how far it is."""


def evaluate(
    sets: Sequence[EvaluationSet],
    methods: Mapping[str, Method],
    protocol: Protocol,
    measures: Sequence[Measure] = STANDARD,
    batch: int = 1,
    processes: Processes = ALONE,
    track: Track = iter,
) -> Results:
    """Measure every method on every image of every set, each image once.

    Figures do not depend on the number of processes: each image is measured by one of them, and the
    means are taken over all figures at once, exactly rounded.

    Args:
        sets: Of different names.
        methods: By the names that results give them.
        protocol: How outputs are compared with the truth.
        measures: What is measured.
        batch: Images of equal size that networks see at a time, at the most.
        processes: This one and those that work beside it; each gets all figures.
        track: Shows this process's progress, in batches.

    Raises:
        UserError: An image that cannot be read or measured, or for which a method has nothing.
    """
    for method in methods.values():
        method.prepare(sets)

    def measured(place: Place, order: int, name: str, pair: EvaluationPair, sr: UInt8) -> Row:
        try:
            figures = score(sr, pair, protocol, measures)
        except ValueError as error:
            raise UserError(f"{pair.dataset}, {pair.name}, {name}: {error}") from error
        row = {"dataset": pair.dataset, "image": pair.name, "method": name, **figures}
        return (*place, order), row

    def share() -> list[Row]:
        own = processes.share(_batches(sets, batch))
        threads = max((os.cpu_count() or 1) // processes.world, 1)
        return _rows(track(own), partial(_decoded, sets), methods, measured, threads)

    rows = sorted((row for rows in processes.gathered(share) for row in rows), key=itemgetter(0))
    return Results(protocol, tuple(measures), [row for _, row in rows])


def _rows(
    batches: Iterable[list[Place]],
    decode: Callable[[list[Place]], list[Decoded]],
    methods: Mapping[str, Method],
    measured: Callable[..., Row],
    threads: int,
) -> list[Row]:
    """The rows of some batches: one thread decodes, `threads` measure, and this one enlarges."""
    rows: list[Row] = []
    waiting: deque[Future[Row]] = deque()
    with ThreadPoolExecutor(1) as decoding, ThreadPoolExecutor(threads) as measuring:
        try:
            for group in _ahead(batches, decode, decoding):
                places, pairs = zip(*group, strict=True)
                for order, (name, method) in enumerate(methods.items()):
                    for place, pair, sr in zip(places, pairs, method(pairs), strict=True):
                        waiting.append(measuring.submit(measured, place, order, name, pair, sr))
                while len(waiting) > WAITING * threads:
                    rows.append(waiting.popleft().result())
            rows.extend(task.result() for task in waiting)
        except BaseException:
            for pool in (decoding, measuring):
                pool.shutdown(wait=False, cancel_futures=True)
            raise
    return rows


def _batches(sets: Sequence[EvaluationSet], size: int) -> list[list[Place]]:
    """All images, those of equal size together."""
    alike: dict[Any, list[Place]] = {}
    for number, images in enumerate(sets):
        for index, path in enumerate(images.hr_files):
            key: Any = (number, index)
            if size > 1:
                header = read_header(path)
                key = header.height // images.scale, header.width // images.scale
            alike.setdefault(key, []).append(Place(number, index))
    return [group[i : i + size] for group in alike.values() for i in range(0, len(group), size)]


def _decoded(sets: Sequence[EvaluationSet], batch: Sequence[Place]) -> list[Decoded]:
    """The pairs of a batch; in several parts where headers were wrong about the sizes."""
    alike: dict[tuple[int, ...], Decoded] = {}
    for place in batch:
        pair = sets[place.dataset][place.image]
        alike.setdefault(pair.lr.shape, []).append((place, pair))
    return list(alike.values())


def _ahead(
    batches: Iterable[list[Place]],
    decode: Callable[[list[Place]], list[Decoded]],
    pool: ThreadPoolExecutor,
) -> Iterator[Decoded]:
    """The pairs of batches that are decoded `AHEAD` batches before they are needed."""
    waiting: deque[Future[list[Decoded]]] = deque()
    for batch in batches:
        waiting.append(pool.submit(decode, batch))
        if len(waiting) > AHEAD:
            yield from waiting.popleft().result()
    for task in waiting:
        yield from task.result()

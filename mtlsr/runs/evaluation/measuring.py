"""From methods and images to figures: several images at a time, each on a core of its own."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

import torch

from mtlsr.data.images import read_header
from mtlsr.data.pairs import EvaluationPair, EvaluationSet
from mtlsr.errors import UserError
from mtlsr.inference.methods.base import Method, UInt8
from mtlsr.metrics.protocol import Protocol
from mtlsr.metrics.table import Measure
from mtlsr.runs.evaluation.measures import STANDARD, score
from mtlsr.runs.evaluation.processes import ALONE, Processes
from mtlsr.runs.evaluation.results import Results

MOST = 8
"""Batches that are in the works at a time, at the most: each takes memory."""

WAITING = 2
"""Batches, for each thread, that may wait for those before them."""


class Place(NamedTuple):
    """Where an image is: which set, and which of its images."""

    dataset: int
    image: int


Row = tuple[tuple[int, ...], dict[str, Any]]
"""Its place in the order of all rows, and what is in it."""

T = TypeVar("T")
R = TypeVar("R")

Pairs = list[tuple[Place, EvaluationPair]]
"""Of equal size."""

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

    def rows_of(places: Sequence[Place]) -> list[Row]:
        return [
            measured(place, order, name, pair, sr)
            for group in _decoded(sets, places)
            for order, (name, method) in enumerate(methods.items())
            for (place, pair), sr in zip(group, method([pair for _, pair in group]), strict=True)
        ]

    def share() -> list[Row]:
        own = processes.share(_batches(sets, batch))
        return list(itertools.chain.from_iterable(_side_by_side(rows_of, track(own))))

    rows = sorted(itertools.chain(*processes.gathered(share)), key=itemgetter(0))
    return Results(protocol, tuple(measures), [row for _, row in rows])


def _side_by_side(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """What becomes of each item, in their order; each core works on one of its own.

    A core that decodes and measures one image while another enlarges the next is never idle. Cores
    that share the work on one image would wait for each other, and for the one that is measuring.
    """
    threads = min(torch.get_num_threads(), MOST)
    waiting: deque[Future[R]] = deque()
    with _threads_within(threads), ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > WAITING * threads:
                    yield waiting.popleft().result()
            for task in waiting:
                yield task.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def _threads_within(workers: int) -> Iterator[None]:
    """What each of several threads has of the threads that torch computes with."""
    before = torch.get_num_threads()
    torch.set_num_threads(before // workers)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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


def _decoded(sets: Sequence[EvaluationSet], batch: Sequence[Place]) -> list[Pairs]:
    """The pairs of a batch; in several parts where headers were wrong about the sizes."""
    alike: dict[tuple[int, ...], Pairs] = {}
    for place in batch:
        pair = sets[place.dataset][place.image]
        alike.setdefault(pair.lr.shape, []).append((place, pair))
    return list(alike.values())

"""What was swept: jobs that differ in nothing but their seed are repetitions of one variant."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtlsr.runs.schema import ConfigError
from mtlsr.sweeps.jobs import Job
from mtlsr.sweeps.settings import flat, read, settles

SEED = "seed"


@dataclass(frozen=True)
class Variant:
    """A choice of the swept values, and the jobs that repeat it with other seeds."""

    values: dict[str, str]
    """Swept key -> its value, as `settings.text` writes it."""
    jobs: tuple[Job, ...]

    @property
    def name(self) -> str:
        """What tells it from the others: `loss.lambda2=0.1 balancing=mgda`."""
        return " ".join(f"{key}={value}" for key, value in self.values.items()) or "all"

    @property
    def done(self) -> dict[str, Job]:
        """Seed -> the job that came to its end with it; the first one, should there be several."""
        found: dict[str, Job] = {}
        for job in self.jobs:
            if job.done:
                found.setdefault(job.value(SEED), job)
        return found

    @property
    def seconds(self) -> float | None:
        """Mean time of a job that is done; None if there is none."""
        times = [job.seconds for job in self.done.values()]
        return sum(times) / len(times) if times else None

    @property
    def status(self) -> str:
        """done, or how many of its jobs are in which state."""
        states = [job.status for job in self.jobs]
        if set(states) == {"done"}:
            return "done"
        return ", ".join(f"{states.count(each)} {each}" for each in dict.fromkeys(states))


def variants(jobs: Sequence[Job]) -> list[Variant]:
    """Jobs by what was swept, in their order.

    Swept is every key of the command line that has several values, but `seed`. Jobs of several
    sweeps may be the same by these and unlike in their configurations: what these differ in counts,
    too. Where they still are the same, with the same seed, the sweep is one more such key.
    """
    # A job that has not begun has no configuration; a repetition that has begun speaks for it.
    begun = {_repeats(job): job for job in reversed(jobs) if job.config}

    def value(job: Job, key: str) -> str:
        return (job if job.config else begun.get(_repeats(job), job)).value(key)

    keys = [key for key in _keys(jobs) if len({value(job, key) for job in jobs}) > 1]
    swept = [{key: value(job, key) for key in keys} for job in jobs]
    if len({job.sweep for job in jobs}) > 1:
        further = [key for group in _groups(jobs, swept) for key in _unlike(group.jobs)]
        for job, values in zip(jobs, swept, strict=True):
            values |= {key: value(job, key) for key in further}
        if _some_are_one(jobs, swept):
            pairs = zip(jobs, swept, strict=True)
            swept = [{"sweep": job.within, **values} for job, values in pairs]
    return _groups(jobs, swept)


def _groups(jobs: Sequence[Job], swept: Sequence[dict[str, str]]) -> list[Variant]:
    """Jobs of the same values together."""
    groups: dict[tuple[tuple[str, str], ...], list[Job]] = {}
    for job, values in zip(jobs, swept, strict=True):
        groups.setdefault(tuple(values.items()), []).append(job)
    return [Variant(dict(values), tuple(repeats)) for values, repeats in groups.items()]


def _unlike(jobs: Iterable[Job]) -> list[str]:
    """Keys, but `seed`, that the configurations of jobs that have begun differ in.

    A key that an earlier version did not have is the same.
    """
    found = [flat(job.config) for job in jobs if job.config]
    keys = dict.fromkeys(key for config in found for key in config if key != SEED)
    values = {key: [config[key] for config in found if key in config] for key in keys}
    return [key for key, each in values.items() if any(value != each[0] for value in each)]


def _some_are_one(jobs: Sequence[Job], swept: Sequence[dict[str, str]]) -> bool:
    """Whether two jobs have the same seed and the same values."""
    all_of_it = [
        (job.value(SEED), *values.items()) for job, values in zip(jobs, swept, strict=True)
    ]
    return len(set(all_of_it)) < len(all_of_it)


def repeated(found: Iterable[Variant]) -> list[str]:
    """Which jobs are another one again and are not counted, a sentence each."""
    said = []
    for variant in found:
        counted = variant.done
        for job in variant.jobs:
            first = counted.get(job.value(SEED))
            if job.done and first is not None and first is not job:
                said.append(f"Job {job.name} is job {first.name} again, and is not counted.")
    return said


def find_baseline(found: Sequence[Variant], asked: str | None) -> Variant:
    """The variant that the others are compared with: the first one, or the one that is asked for.

    Args:
        found: All variants.
        asked: A job's name or number, or values that one variant alone has: `loss.lambda2=0.1`.

    Raises:
        ConfigError: None or several are meant.
    """
    if asked is None:
        return found[0]
    pairs = (word.partition("=") for word in asked.split())
    wanted = {key + equals + read(value) for key, equals, value in pairs}
    named = [v for v in found if any(job.name == asked for job in v.jobs)]
    numbered = [v for v in found if any(str(job.number) == asked for job in v.jobs)]
    valued = [v for v in found if wanted <= {f"{key}={own}" for key, own in v.values.items()}]
    meant = named or numbered or valued
    if len(meant) != 1:
        raise ConfigError(
            f"baseline is {asked!r}, which means {len(meant)} of these: "
            f"{'; '.join(variant.name for variant in found)}. A job's number will do, too."
        )
    return meant[0]


def _repeats(job: Job) -> tuple[Path, frozenset[str]]:
    """What jobs have in common that repeat each other; one of them is enough to know a value."""
    given = (f"{key}={value}" for key, value in job.given.items() if key != SEED)
    return job.sweep, frozenset(given)


def _keys(jobs: Iterable[Job]) -> Iterable[str]:
    keys = dict.fromkeys(key for job in jobs for key in job.given)
    return [key for key in keys if key != SEED and settles(key)]

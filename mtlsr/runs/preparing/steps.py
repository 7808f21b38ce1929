"""The preparation of a data set, step by step."""

import hashlib
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from mtlsr.data.acquisition import fetch
from mtlsr.data.acquisition.sources import SOURCES, Source, data_folder
from mtlsr.data.datasets import DATASETS, find_dataset
from mtlsr.data.images import ImageError, write_image
from mtlsr.data.inspection.contact_sheet import contact_sheet
from mtlsr.data.inspection.decoding import Inspected, inspect, irregular
from mtlsr.data.inspection.screening import only
from mtlsr.data.inspection.verification import verify
from mtlsr.data.layouts import BENCHMARKS, benchmark
from mtlsr.data.pairs import published_lr
from mtlsr.data.store import check_shares
from mtlsr.files import write_json
from mtlsr.runs import photographs
from mtlsr.runs.preparing.found import SPLITS, Found, Split
from mtlsr.runs.preparing.screen import Screen
from mtlsr.runs.schema import ConfigError


def check(cfg: DictConfig) -> None:
    """Look whether the data set can be had, without fetching or writing anything.

    Raises:
        ConfigError, ValueError, OSError: It cannot be.
    """
    if cfg.mirror is not None and not cfg.mirror.lower().startswith(("http://", "https://")):
        raise ConfigError(f"mirror is {cfg.mirror!r}; an http or https address is needed.")
    if Path(cfg.output).is_file():
        raise ConfigError(f"output is {cfg.output!r}, which is a file; a folder is needed.")
    for folder in cfg.benchmarks:
        benchmark(Path(folder))
    check_shares(cfg.dataset.shrunk)
    sources = [SOURCES[name] for name in _fetched(cfg)]
    if not any(source.archives or source.parts for source in sources):
        photographs.dataset(cfg)


def fetch_missing(cfg: DictConfig, screen: Screen) -> None:
    """Download what is not in the data folder.

    Raises:
        UserError, OSError: It cannot be had.
    """
    options = fetch.Options(mirror=cfg.mirror, keep_archives=cfg.keep_archives)
    for name in _fetched(cfg):
        fetch.fetch(name, options, screen.watch)


def inspect_files(cfg: DictConfig, screen: Screen) -> Found:
    """Decode every file of the data set."""
    files = photographs.dataset(cfg)
    # Patches are cut of what is trained on and, by stage 1, of what is validated on.
    least = {"train": cfg.scale * cfg.patch, "val": cfg.scale * cfg.patch, "test": cfg.scale}
    good: dict[Split, list[Inspected]] = {}
    bad: list[ImageError] = []
    advance = screen.count("Decoding", sum(len(getattr(files, split)) for split in SPLITS))
    for split in SPLITS:
        good[split], refused = inspect(getattr(files, split), least[split], advance=advance)
        bad += refused
    for root in (cfg.dataset.root, cfg.dataset.val_root):
        if root is not None:
            bad += irregular(root)
    usable = only(files, {split: [file.path for file in good[split]] for split in SPLITS})
    found = Found(files.name, usable, good, bad, _root(cfg))
    if any(error.path in {*files.train, *files.val} for error in bad):
        found.remarks.append(
            "Training refuses unusable files: dataset.unusable=skip leaves them out, or move them."
        )
    return found


def store(cfg: DictConfig, found: Found, screen: Screen) -> None:
    """Store the photographs as training reads them, and take the fingerprint that runs note."""
    if found.files.train:
        screen.count("Storing", 1)
        kept = photographs.stage_store(cfg, "restoration", found.files)
        found.stored, found.fingerprint = kept.folder, kept.fingerprint
        if found.files.val:
            photographs.stage_store(cfg, "restoration", found.files, "val")
    else:
        found.fingerprint = _fingerprint(found)


def write_manifest(cfg: DictConfig, found: Found) -> None:
    """Write manifest.json: beside the data where they were fetched, else into the output folder."""
    folder = data_folder() / found.name
    if found.root != folder:
        folder = Path(cfg.folder)
        folder.mkdir(parents=True, exist_ok=True)
    found.manifest = folder / "manifest.json"
    names = [part for name in _fetched(cfg) for part in SOURCES[name].parts or (name,)]
    write_json(
        found.manifest,
        {
            "dataset": found.name,
            "scale": cfg.scale,
            "fingerprint": found.fingerprint,
            "licence": found.files.licence,
            "citation": found.files.citation,
            "archives": [vars(came) for name in names for came in fetch.archives(name)],
            "files": [
                {
                    "file": _name(file.path, found.root),
                    "split": split,
                    "bytes": file.size,
                    "sha256": file.sha256,
                    "height": file.height,
                    "width": file.width,
                }
                for split in SPLITS
                for file in found.good[split]
            ],
            "unusable": [
                {"file": _name(error.path, found.root), "reason": error.reason}
                for error in found.bad
            ],
        },
    )


def write_report(cfg: DictConfig, found: Found, screen: Screen) -> None:
    """Verify the usable files, and write verification.json."""
    files = found.files
    everything = [*files.train, *files.val, *files.test]
    known = _benchmarks(cfg) if files.train else []
    found.report = verify(
        everything,
        cfg.scale,
        _low_resolution(cfg, found),
        known,
        advance=screen.count("Verifying", len(everything) + len(known)),
    )
    folder = Path(cfg.folder)
    folder.mkdir(parents=True, exist_ok=True)
    found.report_file = folder / "verification.json"
    write_json(
        found.report_file,
        {
            "files": found.report.files,
            "benchmark_files": len(known),
            "counts": found.report.counts(),
            "findings": [
                {
                    "kind": str(finding.kind),
                    "file": _name(finding.path, found.root),
                    "finding": finding.sentence,
                }
                for finding in found.report.findings
            ],
        },
    )


def draw_samples(cfg: DictConfig, found: Found) -> None:
    """Write contact_sheet.png: the first samples of stage 2 under this degradation."""
    if not found.files.train:
        return
    samples = photographs.samples(_training(cfg), "restoration", found.files)
    drawn = [samples[k] for k in range(cfg.samples)]
    sheet = contact_sheet(drawn, cfg.scale, samples.degradation.names)
    folder = Path(cfg.folder)
    folder.mkdir(parents=True, exist_ok=True)
    found.sheet = folder / "contact_sheet.png"
    write_image(found.sheet, sheet)


def _fetched(cfg: DictConfig) -> list[str]:
    """The data sets that come from the data folder: no root is given for them."""
    sets = cfg.dataset.parts if cfg.dataset.name == "mixture" else [cfg.dataset]
    return [each.name for each in sets if each.root is None and each.name in SOURCES]


def _training(cfg: DictConfig) -> DictConfig:
    """What `photographs.samples` asks of a training's configuration, for files known to be good."""
    own = {
        "schedule": {"restoration": {"patch": cfg.patch}},
        "dataset": {**cfg.dataset, "unusable": "refuse"},
    }
    return OmegaConf.create(
        {key: cfg[key] for key in ("scale", "seed", "cache", "degradation")} | own
    )


def _root(cfg: DictConfig) -> Path | None:
    """The folder of the data set; for what has several, the folder above them, or none."""
    if cfg.dataset.root is not None:
        return Path(cfg.dataset.root)
    source = SOURCES.get(cfg.dataset.name, Source(where=""))
    if source.parts:
        return data_folder()
    return None if source.included or not _fetched(cfg) else data_folder() / cfg.dataset.name


def _name(path: Path, root: Path | None) -> str:
    """A file's name in the manifest: the same wherever the data set lies."""
    if root is None:
        return path.name
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _fingerprint(found: Found) -> str:
    """A hash of every file's name and content, for what no training run ever stores."""
    digest = hashlib.sha256()
    for split in SPLITS:
        for file in found.good[split]:
            name = _name(file.path, found.root).encode(errors="surrogateescape")
            digest.update(b"\0".join((split.encode(), name, file.sha256.encode())) + b"\0")
    return digest.hexdigest()


def _benchmarks(cfg: DictConfig) -> list[Path]:
    """Benchmark images: those in the folders given, and those that were prepared."""
    known = [path for folder in cfg.benchmarks for path in benchmark(Path(folder))]
    for name in BENCHMARKS:
        if name in DATASETS and (data_folder() / name).is_dir():
            known += find_dataset(name).test
    return known


def _low_resolution(cfg: DictConfig, found: Found) -> list[Path | None] | None:
    """The low resolution that lies beside the files, in their order; None where there is none."""
    partners: list[Path | None] = []
    for split in SPLITS:
        files = getattr(found.files, split)
        given: list[Path | None] | None = None
        try:
            given = found.files.given_lr(files, cfg.scale)
            if given is None and files:
                published = published_lr(files, cfg.scale)
                given = None if published is None else list(published)
        except ValueError as error:  # a partner that is missing, or of another size
            found.remarks.append(f"Low resolution was not looked at: {error}")
        partners += given or [None] * len(files)
    return partners if any(partners) else None

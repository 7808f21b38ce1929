"""Repetitions are told from variants."""

import pytest

from mtlsr.runs.schema import ConfigError
from mtlsr.sweeps.jobs import collect
from mtlsr.sweeps.variants import find_baseline, repeated, variants
from tests.sweeps.made import write_job, write_sweep

FIGURES = {"set": {"mtlsr": [30.0, 31.0]}}


@pytest.fixture
def sweep(tmp_path):
    """Two values of λ2 under two seeds each."""
    folder = write_sweep(tmp_path / "sweep", "loss.lambda2=0.1,0.5", "seed=0,1", "scale=4")
    for number in range(4):
        given = [f"loss.lambda2={(0.1, 0.5)[number // 2]}", f"seed={number % 2}", "scale=4"]
        write_job(folder, number, given, FIGURES)
    return folder


def test_seeds_are_repetitions_and_constant_keys_are_not_swept(sweep):
    found = variants(collect(sweep))
    assert [variant.values for variant in found] == [
        {"loss.lambda2": "0.1"},
        {"loss.lambda2": "0.5"},
    ]
    assert [list(variant.done) for variant in found] == [["0", "1"]] * 2


def test_a_key_that_only_some_jobs_name_is_swept_too(tmp_path):
    write_job(tmp_path, 0, ["balancing=mgda"], FIGURES, choices={"balancing": "mgda"})
    write_job(tmp_path, 1, [], FIGURES, choices={"balancing": "fixed"})
    assert [v.name for v in variants(collect(tmp_path))] == ["balancing=mgda", "balancing=fixed"]


def test_other_seeds_of_another_sweep_join_their_variant(sweep, tmp_path):
    write_job(tmp_path / "more", 0, ["loss.lambda2=0.5", "seed=2", "scale=4"], FIGURES)
    found = variants([*collect(sweep), *collect(tmp_path / "more")])
    assert [list(variant.done) for variant in found] == [["0", "1"], ["0", "1", "2"]]


def test_the_same_jobs_of_another_sweep_are_other_variants(sweep, tmp_path):
    write_job(tmp_path / "later", 0, ["loss.lambda2=0.5", "seed=1", "scale=4"], FIGURES)
    found = variants([*collect(sweep), *collect(tmp_path / "later")])
    assert [variant.name for variant in found] == [
        "sweep=sweep loss.lambda2=0.1",
        "sweep=sweep loss.lambda2=0.5",
        "sweep=later loss.lambda2=0.5",
    ]


def test_a_value_that_another_sweep_has_by_itself_joins_its_variant(tmp_path):
    write_job(tmp_path / "a", 0, ["loss.lambda2=1", "seed=0"], FIGURES)
    write_job(tmp_path / "a", 1, ["loss.lambda2=0.50", "seed=0"], FIGURES)
    write_job(tmp_path / "b", 0, ["seed=1"], FIGURES, config={"loss": {"lambda2": 1.0}, "seed": 1})
    found = variants([*collect(tmp_path / "a"), *collect(tmp_path / "b")])
    assert [(variant.name, list(variant.done)) for variant in found] == [
        ("loss.lambda2=1", ["0", "1"]),
        ("loss.lambda2=0.5", ["0"]),
    ]


def test_the_same_command_on_another_configuration_is_another_variant(tmp_path):
    for sweep, steps in (("a", 8), ("b", 3000)):
        config = {"steps": steps, "folder": sweep, "seed": steps % 7}
        write_job(tmp_path / sweep, 0, [f"seed={steps % 7}"], FIGURES, config=config)
    found = variants([*collect(tmp_path / "a"), *collect(tmp_path / "b")])
    assert [variant.name for variant in found] == ["steps=8", "steps=3000"]


def test_what_changes_no_figure_is_not_swept(tmp_path):
    write_job(tmp_path / "a", 0, ["seed=0", "logger=csv", "trainer.progress=false"], FIGURES)
    write_job(tmp_path / "b", 0, ["seed=1", "cache=/tmp"], FIGURES)
    (found,) = variants([*collect(tmp_path / "a"), *collect(tmp_path / "b")])
    assert list(found.done) == ["0", "1"]


def test_the_same_job_twice_in_one_sweep_counts_once(tmp_path):
    for number in range(2):
        write_job(tmp_path, number, ["seed=0"], FIGURES)
    found = variants(collect(tmp_path))
    assert [job.name for job in found[0].done.values()] == ["0"]
    assert repeated(found) == ["Job 1 is job 0 again, and is not counted."]


@pytest.mark.parametrize("asked", ["loss.lambda2=0.5", "loss.lambda2=0.50", "3", "2"])
def test_a_baseline_is_found_by_value_or_by_job(sweep, asked):
    assert find_baseline(variants(collect(sweep)), asked).values == {"loss.lambda2": "0.5"}


def test_a_baseline_is_found_by_its_number_where_folders_have_other_names(tmp_path):
    for number in range(2):
        write_job(tmp_path, number, [f"loss.lambda2={number}"], FIGURES, name=f"lambda {number}")
    found = variants(collect(tmp_path))
    assert find_baseline(found, "1") is find_baseline(found, "lambda 1") is found[1]


def test_the_first_is_the_baseline_and_an_unknown_one_is_refused(sweep):
    found = variants(collect(sweep))
    assert find_baseline(found, None) is found[0]
    with pytest.raises(ConfigError, match=r"means 0 of these: loss\.lambda2=0\.1; loss\."):
        find_baseline(found, "loss.lambda2=7")


def test_a_job_that_did_not_begin_has_the_values_of_those_that_it_repeats(tmp_path):
    plain = write_sweep(tmp_path / "0", "seed=0,1")
    joint = write_sweep(tmp_path / "1", "experiment=joint", "seed=0,1")
    write_job(plain, 0, ["seed=0"], FIGURES, choices={"experiment": None})
    write_job(joint, 0, ["experiment=joint", "seed=0"], FIGURES)
    found = variants([*collect(plain), *collect(joint)])
    assert [variant.values["experiment"] for variant in found] == ["null", "joint"]
    assert [variant.status for variant in found] == ["1 done, 1 not started"] * 2


def test_a_job_without_a_manifest_is_no_variant_of_its_own(tmp_path):
    """Its configuration is the one that Hydra composed, with interpolations."""
    config = {"dataset": {"balance": 0.5, "realism": {"balance": 0.5}}, "folder": "somewhere"}
    composed = {
        "dataset": {"balance": 0.5, "realism": {"balance": "${dataset.balance}"}},
        "folder": "${hydra:runtime.output_dir}",
    }
    for place, value in (("0", 0.1), ("1", 0.5)):
        sweep = write_sweep(tmp_path / place, f"loss.lambda2={value}", "seed=0,1")
        for seed in (0, 1):
            begun = bool(seed) or value == 0.1
            write_job(
                sweep,
                seed,
                [f"loss.lambda2={value}", f"seed={seed}"],
                FIGURES if begun else None,
                "done" if begun else None,
                config=(config if begun else composed) | {"seed": seed, "loss": {"lambda2": value}},
            )
    found = variants([*collect(tmp_path / "0"), *collect(tmp_path / "1")])
    assert [variant.name for variant in found] == ["loss.lambda2=0.1", "loss.lambda2=0.5"]

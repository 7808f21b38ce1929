"""Values of the configuration: types by Hydra, ranges by us, each refused with its key."""

import copy
import inspect
from pathlib import Path

import hydra
import pytest
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mtlsr.networks.table import REALISM, RESTORATION, SINGLE_TASK
from mtlsr.runs.command import conf_folder
from mtlsr.runs.schema import ConfigError, check_ranges, register

GROUPS = {
    folder.relative_to(conf_folder()).as_posix(): sorted(
        file.stem for file in folder.glob("*.yaml")
    )
    for folder in conf_folder().rglob("*")
    if folder.is_dir() and folder.name not in ("experiment", "local")
}
CHOICES = [(group, name) for group, names in GROUPS.items() for name in names]
EXPERIMENTS = sorted(file.stem for file in Path(conf_folder(), "experiment").glob("*.yaml"))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("loss.lambda2=-1", "loss.lambda2 is -1.0; it must be finite and at least 0"),
        ("loss.lambda1=nan", "loss.lambda1 is nan; it must be finite and at least 0"),
        ("loss.lambda4=inf", "loss.lambda4 is inf; it must be finite and at least 0"),
        ("loss.stage1.lambda3=-0.5", "loss.stage1.lambda3 is -0.5"),
        ("loss.smoothness.output=-1", "loss.smoothness.output is -1.0; it must be finite and at"),
        ("loss.structure.map=nan", "loss.structure.map is nan; it must be finite and at least 0"),
        ("loss.realism.average=1.1", "loss.realism.average is 1.1; it must be at least 0 and at"),
        ("schedule.realism.steps=0", "schedule.realism.steps is 0; it must be finite and at least"),
        (
            "schedule.restoration.lr=0",
            "schedule.restoration.lr is 0.0; it must be finite and above",
        ),
        ("degradation.blur_probability=1.5", "it must be at least 0 and at most 1"),
        ("seed=-3", "seed is -3; it must be at least 0"),
        ("dataset.fraction=0", "dataset.fraction is 0.0; it must be above 0 and at most 1"),
        ("dataset.fraction=1.5", "dataset.fraction is 1.5; it must be above 0 and at most 1"),
        ("dataset.realism.fraction=nan", "dataset.realism.fraction is nan; it must be above 0"),
        ("dataset.parts=[{name: t91, weight: 0}]", "dataset.parts.0.weight is 0.0; it must be"),
        ("dataset.parts=[{name: t91}, {weight: 2}]", "dataset.parts.1.name is missing"),
    ],
)
def test_numbers_out_of_range_are_named(compose, override, said):
    with pytest.raises(ConfigError, match=r"must be|is missing") as caught:
        check_ranges(compose("train", override))
    assert said in str(caught.value)


def test_settings_of_ones_own_win_over_the_defaults_and_experiments_over_them(compose, tmp_path):
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "default.yaml").write_text(
        "seed: 3\nloss: {lambda2: 7}\ndefaults: [{override /logger: csv}]\n"
    )
    own = f"hydra.searchpath=[file://{tmp_path}]"
    cfg = compose("train", own)
    assert (cfg.seed, cfg.loss.lambda2, list(cfg.logger)) == (3, 7, [])
    cfg = compose("train", own, "experiment=flagship", "seed=4")
    assert (cfg.seed, cfg.loss.lambda2) == (4, 0)
    assert compose("search", own).seed == 3


@pytest.mark.parametrize(
    "override", ["loss.lambda2=much", "schedule.realism.steps=1.5", "trainer.channels_last=perhaps"]
)
def test_other_types_are_refused_by_hydra(compose, override):
    with pytest.raises((hydra.errors.HydraException, OmegaConfBaseException)):
        compose("train", override)


@pytest.mark.parametrize(
    "override",
    [
        "loss.lambda5=1",
        "lambda2=1",
        "dataset.path=here",
        "dataset.realism.path=here",
        "dataset.parts=[{nome: t91}]",
    ],
)
def test_unknown_keys_are_refused_by_hydra(compose, override):
    with pytest.raises(hydra.errors.HydraException):
        compose("train", override)


@pytest.mark.parametrize(("group", "name"), CHOICES)
def test_every_choice_of_every_group_composes(compose, group, name):
    key = group.replace("/", ".")
    extra = [f"{key}.root=somewhere"] if key in ("dataset", "dataset.realism") else []
    command = "search" if group.startswith("search/") else "train"
    cfg = compose(command, f"{group}={name}", *extra)
    check_ranges(cfg)
    assert OmegaConf.to_container(cfg, resolve=True)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_composes(compose, name):
    given = ["dataset.realism.root=somewhere"] if name == "real_photographs" else []
    check_ranges(compose("train", f"experiment={name}", *given))


def test_an_experiment_has_the_last_word_after_the_defaults(compose):
    assert list(compose("train", "experiment=joint").stages) == ["restoration"]
    assert list(compose("train", "experiment=single_task").stages) == ["restoration"]
    assert list(compose("train", "experiment=realism_vector").stages) == ["realism"]
    assert compose("train", "experiment=frozen").freeze_realism is True
    assert compose("train", "experiment=frozen", "freeze_realism=false").freeze_realism is False
    assert list(compose("benchmark", "experiment=joint").stages) == ["restoration"]


def test_a_network_of_one_task_brings_its_learning_rate(compose):
    single = ["experiment=single_task", "backbone/single_task=vdsr"]
    assert compose("train").schedule.restoration.lr == 2e-3
    assert compose("train", *single).schedule.restoration.lr == 5e-4
    own = compose("train", *single, "schedule.restoration.lr=1e-4")
    assert own.schedule.restoration.lr == 1e-4


TABLES = {"realism": REALISM, "restoration": RESTORATION, "single_task": SINGLE_TASK}


@pytest.mark.parametrize("kind", TABLES)
def test_each_network_has_a_file_with_its_own_defaults(kind):
    files = {file.stem: file for file in conf_folder().glob(f"backbone/{kind}/*")}
    assert files.keys() == TABLES[kind].keys()
    for name, file in files.items():
        options = OmegaConf.load(file)
        if "backbone" in options:  # beside it there is a learning rate
            options = options.backbone.single_task
        assert options.pop("name") == name
        signature = inspect.signature(TABLES[kind][name]).parameters
        assert dict(options) == {
            key: list(signature[key].default)
            if isinstance(signature[key].default, tuple)
            else signature[key].default
            for key in options
        }


def test_stage_one_weights_do_not_follow_those_of_stage_two(compose):
    plain = compose("train").loss.stage1
    assert (
        compose("train", "loss.lambda1=7", "loss.lambda2=7", "loss.lambda3=7").loss.stage1 == plain
    )


def leaves(node, prefix=""):
    """Every value of nested containers by its dotted key."""
    for key, value in node.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_has_the_values_that_its_file_says(name):
    written = OmegaConf.to_container(OmegaConf.load(conf_folder() / "experiment" / f"{name}.yaml"))
    written.pop("defaults", None)
    register()
    with hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
        cfg = hydra.compose("train", [f"experiment={name}"])
    for key, value in leaves(written):
        assert OmegaConf.select(cfg, key) == value, key


def test_the_schemas_are_not_copied_with_what_holds_them():
    """Else --help copies all of them over a hundred times. What is composed is a copy still."""
    register()
    store = ConfigStore.instance()
    assert copy.deepcopy([store])[0] is store
    with hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
        first = hydra.compose("train")
        first.loss.lambda2 = 7.0
        first.trainer.progress = not first.trainer.progress
        second = hydra.compose("train")
    assert second.loss.lambda2 != 7.0
    assert second.trainer.progress != first.trainer.progress

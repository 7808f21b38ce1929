"""What a search may choose from, and the values that are chosen."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from optuna.distributions import FloatDistribution, IntDistribution

from mtlsr.runs.schema import ConfigError
from mtlsr.sweeps.search.space import ends, overrides, rounded, space, usual

SPACE = {
    "loss": {"lambda2": {"low": 0.01, "high": 1.0, "log": True}, "lambda3": {"low": 0, "high": 4}},
    "balancing": {"name": {"choices": ["a", "b", "c"]}},
}
CFG = {
    "loss": {"lambda2": 0.1, "lambda3": 2},
    "balancing": {"name": "b"},
    "seed": 0,
    "trainer": {"workers": None},
}


def test_a_space_has_limits_and_choices_below_the_keys_of_the_configuration():
    cfg = OmegaConf.create(CFG)
    found = space(SPACE, cfg)
    assert list(found) == ["loss.lambda2", "loss.lambda3", "balancing.name"]
    assert usual(found, cfg) == {"loss.lambda2": 0.1, "loss.lambda3": 2, "balancing.name": "b"}
    cfg.loss.lambda2 = 0.0
    assert usual(found, cfg) is None
    tried = list(ends(found))
    assert [each["loss.lambda2"] for each in tried] == [0.01, 1.0, 0.01]
    assert [each["balancing.name"] for each in tried] == ["a", "b", "c"]
    assert rounded({"loss.lambda2": 0.0123456, "loss.lambda3": 3}, found) == {
        "loss.lambda2": 0.0123,
        "loss.lambda3": 3,
    }
    assert overrides({"a": True, "b": None, "c": 0.5}) == ["a=true", "b=null", "c=0.5"]


def test_a_usual_value_between_the_steps_lies_outside():
    cfg = OmegaConf.create(CFG)
    found = space({"loss": {"lambda2": {"low": 0.0, "high": 1.0, "step": 0.25}}}, cfg)
    assert usual(found, cfg) is None
    cfg.loss.lambda2 = 0.75
    assert usual(found, cfg) == {"loss.lambda2": 0.75}


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({}, "search.space is empty"),
        ({"seed": 3}, "search.space.seed is 3; it has low and high"),
        ({"seed": {"low": 3, "high": 1}}, r"search.space.seed is .*`low <= high`"),
        ({"seed": {"low": 3, "top": 1}}, "search.space.seed is .*unexpected keyword"),
        ({"seed": {"low": 0.0, "high": 1, "log": True}}, "search.space.seed is "),
        ({"seed": {"choices": [[1, 2], [3, 4]]}}, "search.space.seed is .*are numbers, words"),
        ({"loss": {"lambda9": {"low": 0, "high": 1}}}, "lambda9, which a training does not"),
        ({"balancing": {"choices": ["a"]}}, "has balancing, which is no value but holds name"),
    ],
)
def test_an_impossible_space_is_refused(node, said):
    with pytest.raises(ConfigError, match=said):
        space(node, OmegaConf.create(CFG))


def test_limits_of_a_real_number_may_be_whole_and_of_what_has_no_value_yet_too():
    node = {
        "loss": {"lambda2": {"low": 0, "high": 2}},
        "trainer": {"workers": {"low": 0, "high": 2}},
    }
    found = space(node, OmegaConf.create(CFG))
    assert found["loss.lambda2"] == FloatDistribution(0.0, 2.0)
    assert found["trainer.workers"] == IntDistribution(0, 2)


@pytest.mark.parametrize(
    "value", ["word", "a b", "c, d", "it's", "true", "1", "a=b", "\\", "a\\b", "it\\'s"]
)
def test_a_word_comes_back_from_the_command_line_as_it_was(value):
    (override,) = overrides({"key": value})
    found = OverridesParser.create().parse_override(override).value()
    assert getattr(found, "text", found) == value

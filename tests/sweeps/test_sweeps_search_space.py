"""What a search may choose from, and the values that are chosen."""

import pytest
from omegaconf import OmegaConf

from mtlsr.runs.schema import ConfigError
from mtlsr.sweeps.search.space import ends, overrides, rounded, space, usual

SPACE = {
    "loss": {"lambda2": {"low": 0.01, "high": 1.0, "log": True}, "lambda3": {"low": 0, "high": 4}},
    "balancing": {"name": {"choices": ["a", "b", "c"]}},
}


def test_a_space_has_limits_and_choices_below_the_keys_of_the_configuration():
    found = space(SPACE)
    assert list(found) == ["loss.lambda2", "loss.lambda3", "balancing.name"]
    cfg = OmegaConf.create({"loss": {"lambda2": 0.1, "lambda3": 2}, "balancing": {"name": "b"}})
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


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({}, "search.space is empty"),
        ({"seed": 3}, "search.space.seed is 3; it has low and high"),
        ({"seed": {"low": 3, "high": 1}}, r"search.space.seed is .*`low <= high`"),
        ({"seed": {"low": 3, "top": 1}}, "search.space.seed is .*unexpected keyword"),
        ({"seed": {"low": 0.0, "high": 1, "log": True}}, "search.space.seed is "),
    ],
)
def test_an_impossible_space_is_refused(node, said):
    with pytest.raises(ConfigError, match=said):
        space(node)

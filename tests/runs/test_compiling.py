"""What `trainer.compile=true` changes: nothing but the time."""

from functools import partialmethod

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from mtlsr.runs import losses
from mtlsr.runs.schema import ConfigError
from mtlsr.train import check, run


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are traced and differentiated as always; what runs is not C++, whose making takes
    minutes."""
    torch.compiler.reset()
    patched = partialmethod(nn.Module.compile, backend="aot_eager")
    monkeypatch.setattr(nn.Module, "compile", patched)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [[], ["experiment=single_task"], ["balancing=famo"]], ids=" ".join
)
def test_a_compiled_training_ends_with_the_same_weights(compose, traced, options):
    plain, compiled = (
        load_file(run(compose("train", *options, *more, folder=name)) / "model/model.safetensors")
        for name, more in (("plain", []), ("compiled", ["trainer.compile=true"]))
    )
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    assert plain.keys() == compiled.keys()
    for name, value in plain.items():
        # A tenth of one step at this learning rate: other roundings, no other step.
        torch.testing.assert_close(compiled[name], value, rtol=0, atol=2e-4)


def test_methods_that_look_inside_the_networks_are_refused(compose):
    """Compiled, they would find other gradients and say nothing."""
    with pytest.raises(ConfigError, match="balancing=upgrad takes gradients at maps inside"):
        check(compose("train", "trainer.compile=true", "balancing=upgrad"))


def test_gradients_of_terms_are_not_compared_inside_compiled_networks(compose):
    assert losses.diagnose_every(compose("train")) > 0
    assert losses.diagnose_every(compose("train", "trainer.compile=true")) == 0
    assert losses.diagnose_every(compose("train", "trainer.precision=16-mixed")) == 0


def test_compiling_without_a_compiler_is_refused(compose, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigError, match="no-such-compiler is not here"):
        check(compose("train", "trainer.compile=true", "trainer.accelerator=cpu"))

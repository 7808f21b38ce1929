"""What each of two processes does in test_two_ranks.py: train with every method, under DDP.

In double precision: in single, rounding moves a unit across the kink of its ReLU now and then.
"""

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from mtlsr.data.batch import Batch
from mtlsr.objective.balancing.diagnostics import diagnose
from mtlsr.objective.balancing.table import METHODS, build_balancer
from mtlsr.objective.ranks import leave_group
from mtlsr.stages.restoration import RestorationStage
from tests.objective.balancing.pair import TERMS, batch, stage

STEPS = 3
VARIANTS = [(name, {}) for name in METHODS]
VARIANTS += [(name, {"form": "cheap"}) for name, method in METHODS.items() if method.gramian]
FORMS = ("exact", "cheap")


class Step(nn.Module):
    """A training step whose forward is the loss, as Lightning runs it under DDP."""

    def __init__(self, module: RestorationStage) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: Batch) -> Tensor:
        valued = self.module.evaluate_terms(images)
        return self.module.balancer(valued, self.module.parameters()).total


def train(name: str, options: dict[str, str], batches: Iterable[Batch]) -> dict[str, Tensor]:
    """Train from θ = θ*, alone or together with the other process."""
    if name == "dwa":
        options = options | {"interval": 1}
    module = stage(build_balancer(name, TERMS, **options)).double()
    step: nn.Module = Step(module)
    if distributed.is_initialized():
        step = DistributedDataParallel(step, find_unused_parameters=True)
    optimiser = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=0.05)
    for images in batches:
        optimiser.zero_grad()
        step(images).backward()
        optimiser.step()
        if module.balancer.looks_back:
            with torch.no_grad():
                module.balancer.look_back(module.evaluate_terms(images))
    return {key: p.detach().clone() for key, p in module.named_parameters()}


def plain_weights(form: str, images: Batch) -> list[float]:
    """Weights that are left as FairGrad chooses them: they follow the scale of the Gramian."""
    balancer = build_balancer("fairgrad", TERMS, form=form, normalize="none")
    module = stage(balancer).double()
    chosen = module.balancer(module.evaluate_terms(images), module.parameters()).weights
    return [float(weight) for weight in chosen.values()]


def share(images: Batch, rank: int) -> Batch:
    """The half of a batch that a rank sees."""
    half = len(images.lr) // 2
    own = slice(rank * half, (rank + 1) * half)
    return Batch(*(x[own] for x in (images.lr, images.lr_clean, images.hr, images.degradation)))


def batches() -> list[Batch]:
    found = []
    for number in range(STEPS):
        x = batch(number, count=4)
        images = (x.lr, x.lr_clean, x.hr, x.degradation)
        found.append(Batch(*(image.double() for image in images)))
    return found


def work(rank: int, folder: Path) -> None:
    """Train as one of two; leave the weights of each method in `folder`."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2
    )
    own = [share(images, rank) for images in batches()]
    found = {str(variant): train(*variant, own) for variant in VARIANTS}
    seen = diagnose(stage().double().evaluate_terms(own[0]), TERMS)
    plain = {form: plain_weights(form, own[0]) for form in FORMS}
    torch.save({"weights": found, "seen": seen, "plain": plain}, folder / f"{rank}.pt")
    leave_group()

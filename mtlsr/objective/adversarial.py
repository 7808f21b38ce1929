"""The adversarial term: a discriminator learns to tell `sr` from HR, the generator to fool it.

With the logits r of HR and f of `sr`, the means ⟨·⟩ over all places of all images of the batch (of
each process its own) and softplus(x) = log(1 + eˣ):

    relativistic    D: ½ ⟨softplus(-(r - ⟨f⟩))⟩ + ½ ⟨softplus(f - ⟨r⟩)⟩      G: r and f exchanged
    hinge           D: ½ ⟨max(0, 1 - r)⟩ + ½ ⟨max(0, 1 + f)⟩                 G: -⟨f⟩
    lsgan           D: ½ ⟨(r - 1)²⟩ + ½ ⟨f²⟩                                 G: ½ ⟨(f - 1)²⟩

Relativistic average: Jolicoeur-Martineau 2018, arXiv:1807.00734, in super-resolution since ESRGAN
(Wang et al. 2018, arXiv:1809.00219); hinge: Lim and Ye 2017, arXiv:1705.02894; least squares: Mao
et al. 2017, arXiv:1611.04076.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from mtlsr.objective.checks import check_choice
from mtlsr.objective.precision import widened

Kind = Literal["relativistic", "hinge", "lsgan"]


def discriminator_loss(real: Tensor, fake: Tensor, kind: Kind = "relativistic") -> Tensor:
    """What the discriminator minimises, a scalar: D above.

    Args:
        real: Logits r of HR, any shape.
        fake: Logits f of `sr`, any shape.
        kind: relativistic, hinge or lsgan.
    """
    real, fake = widened(real), widened(fake)
    if kind == "relativistic":
        halves = F.softplus(fake.mean() - real).mean(), F.softplus(fake - real.mean()).mean()
    elif kind == "hinge":
        halves = F.relu(1 - real).mean(), F.relu(1 + fake).mean()
    else:
        halves = (real - 1).square().mean(), fake.square().mean()
    return (halves[0] + halves[1]) / 2


def generator_loss(real: Tensor, fake: Tensor, kind: Kind = "relativistic") -> Tensor:
    """What the generator minimises, a scalar: G above. Arguments of `discriminator_loss`."""
    if kind == "relativistic":
        return discriminator_loss(fake, real, kind)
    fake = widened(fake)
    return -fake.mean() if kind == "hinge" else (fake - 1).square().mean() / 2


def ranked_rightly(real: Tensor, fake: Tensor) -> Tensor:
    """Share of the N pairs whose mean logit is higher for HR than for `sr`: in [0, 1], no gradient.

    0.5 is a discriminator that guesses, 1 one that the generator never fools.

    Args:
        real: Logits of HR, (N, ...).
        fake: Logits of `sr`, (N, ...), pair by pair.
    """
    means = [widened(logits.detach()).flatten(1).mean(dim=1) for logits in (real, fake)]
    return (means[0] > means[1]).to(means[0].dtype).mean()


def held(discriminator: nn.Module, images: Tensor) -> Tensor:
    """Logits of a discriminator whose weights are held fixed: images alone get a gradient."""
    fixed = {name: weight.detach() for name, weight in discriminator.named_parameters()}
    return functional_call(discriminator, fixed, (images,))


class Player(nn.Module):
    """One side of the game. It has no part in balancing.

    Args:
        kind: relativistic, hinge or lsgan.
    """

    balanced = False

    def __init__(self, kind: Kind = "relativistic") -> None:
        super().__init__()
        check_choice("kind", kind, get_args(Kind))
        self.kind: Kind = kind


class AdversarialTerm(Player):
    """The generator's loss. Its gradient passes through the discriminator and leaves it alone.

    It has no part in balancing: its weight is set against the other player's strength.

    Args:
        kind: relativistic, hinge or lsgan.
    """

    def forward(self, sr: Tensor, hr: Tensor, discriminator: nn.Module) -> Tensor:
        with torch.no_grad():
            real = discriminator(hr)
        return generator_loss(real, held(discriminator, sr), self.kind)

    def details(self, sr: Tensor, hr: Tensor, discriminator: nn.Module) -> dict[str, Tensor]:
        """`right`: share of the pairs of the batch that the discriminator ranks rightly."""
        return {"right": ranked_rightly(discriminator(hr), discriminator(sr))}


class DiscriminatorTerm(Player):
    """The discriminator's own loss, on images that carry no gradient.

    It has no part in balancing: it is the other player's.

    Args:
        kind: relativistic, hinge or lsgan.
    """

    def forward(self, sr: Tensor, hr: Tensor, discriminator: nn.Module) -> Tensor:
        # One call, so that spectral normalisation makes one round of its iteration.
        real, fake = discriminator(torch.cat([hr, sr.detach()])).chunk(2)
        return discriminator_loss(real, fake, self.kind)

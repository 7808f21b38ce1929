"""How the terms pull: the lengths of their gradients, and whether they agree."""

from collections.abc import Sequence
from itertools import combinations

import torch

from mtlsr.objective.balancing.gradients import feature_gramian
from mtlsr.objective.objective import Valued


def diagnose(valued: Valued, names: Sequence[str]) -> dict[str, float]:
    """Norms and cosines of the terms' gradients, λ included, at the maps at which their paths part.

    Returns:
        `gradient_norm/<term>` of each term, and `cosine/<a>~<b>` of each pair: 1 where both pull
        the same way, -1 where one undoes the other, 0 where one does not pull at all. Empty where
        nothing is shared.
    """
    maps = [x for x in valued.shared if x.requires_grad]
    if not maps or not names:
        return {}
    losses = [valued.weights[name] * valued.raw[name] for name in names]
    with torch.autocast(maps[0].device.type, enabled=False):
        gramian = feature_gramian(losses, maps).cpu()
    norms = gramian.diagonal().sqrt()
    cosines = gramian / torch.outer(norms, norms).clamp(min=torch.finfo(torch.float32).tiny)
    found = {f"gradient_norm/{name}": float(norm) for name, norm in zip(names, norms, strict=True)}
    for (i, a), (j, b) in combinations(enumerate(names), 2):
        found[f"cosine/{a}~{b}"] = float(cosines[i, j])
    return found

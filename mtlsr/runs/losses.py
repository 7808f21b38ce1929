"""What a training minimises, from the configuration: terms, the game's other player, balancing."""

from typing import Any

import torch
from omegaconf import DictConfig
from torch import nn

from mtlsr.networks.base import FirstBlock
from mtlsr.networks.discriminators.base import Discriminator
from mtlsr.networks.table import build_discriminator
from mtlsr.objective.adversarial import AdversarialTerm, DiscriminatorTerm
from mtlsr.objective.anchor import AnchorTerm
from mtlsr.objective.balancing.base import Balancer, balanced_terms
from mtlsr.objective.balancing.table import FIXED, build_balancer, find_method
from mtlsr.objective.objective import Objective
from mtlsr.objective.realism import DegradationTerm, StyleTerm
from mtlsr.objective.smoothness import ReconstructionTerm, SmoothnessTerm
from mtlsr.objective.structure import CleanStructureTerm, StructureTerm
from mtlsr.runs import hardware
from mtlsr.runs.schema import STAGES, ConfigError, StageName, plain


def objective(cfg: DictConfig, stage: StageName, judge: FirstBlock | None = None) -> Objective:
    """The weighted terms of a stage.

    Args:
        cfg: The configuration of a training.
        stage: Which one.
        judge: The first block that judges stage 2; a moving average needs its width.

    Raises:
        ConfigError: A value that its term refuses, or values that do not go together.
    """
    if stage == "realism":
        return _realism_objective(cfg.loss)
    made = _restoration_objective(cfg.loss, judge)
    _check_together(cfg)
    return made


def _realism_objective(loss: DictConfig) -> Objective:
    terms = {
        "smoothness": _term("loss.smoothness", ReconstructionTerm, kind=loss.smoothness.distance),
        "realism": _term("loss.realism", DegradationTerm, detection=loss.realism.detection),
        "structure": _term("loss.structure", CleanStructureTerm, kind=loss.structure.transform),
    }
    weights = loss.stage1
    return Objective(
        terms,
        {
            "smoothness": weights.lambda1,
            "realism": weights.lambda2,
            "structure": weights.lambda3,
        },
    )


def _restoration_objective(loss: DictConfig, judge: FirstBlock | None) -> Objective:
    terms: dict[str, nn.Module] = {
        "smoothness": _term(
            "loss.smoothness",
            SmoothnessTerm,
            kind=loss.smoothness.distance,
            output=loss.smoothness.output,
            luma=loss.smoothness.luma,
            reconstruction=loss.smoothness.reconstruction,
            consistency=loss.smoothness.consistency,
        ),
        "realism": _term(
            "loss.realism",
            StyleTerm,
            statistic=loss.realism.statistic,
            window=loss.realism.window,
            average=loss.realism.average,
            channels=0 if judge is None else judge.channels,
        ),
        "structure": _term(
            "loss.structure", StructureTerm, kind=loss.structure.transform, map=loss.structure.map
        ),
        "anchor": AnchorTerm(),
    }
    weights = {
        "smoothness": loss.lambda1,
        "realism": loss.lambda2,
        "structure": loss.lambda3,
        "anchor": loss.lambda4,
    }
    game = loss.adversarial
    if game.weight:
        terms["adversarial"] = _term("loss.adversarial", AdversarialTerm, kind=game.kind)
        terms["discriminator"] = DiscriminatorTerm(game.kind)
        weights |= {"adversarial": game.weight, "discriminator": 1.0}
    starts = {"realism": loss.realism.start, "adversarial": game.warmup}
    return Objective(terms, weights, starts=starts)


def discriminator(cfg: DictConfig) -> Discriminator | None:
    """The adversarial term's other player, whose weights follow from the seed; None without it.

    Raises:
        ConfigError: Training's patches are too small for it, or there is no stage 2.
    """
    game = cfg.loss.adversarial
    if not game.weight:
        return None
    if "restoration" not in cfg.stages:
        raise ConfigError(
            f"loss.adversarial.weight is {game.weight}, but stages is {list(cfg.stages)}: "
            "the adversarial term belongs to stage 2, restoration."
        )
    torch.manual_seed(cfg.seed)
    built = build_discriminator(game.discriminator)
    least = -(-built.minimum // cfg.scale)
    patch = cfg.schedule.restoration.patch
    if patch < least:
        raise ConfigError(
            f"schedule.restoration.patch is {patch}; the discriminator "
            f"{game.discriminator.name!r} needs at least {least} at scale {cfg.scale}."
        )
    if cfg.trainer.channels_last:
        built.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return built


def balancer(cfg: DictConfig, stage: StageName, terms: Objective) -> Balancer | None:
    """What balances the terms of a stage; None where their plain sum is minimised.

    Raises:
        ConfigError: The method and something else of the configuration do not go together.
        ValueError: An unknown method or option, a missing package, or nothing to balance.
    """
    options = plain(cfg.balancing)
    name, stages = options.pop("name"), options.pop("stages")
    del options["diagnose_every"]
    for listed in stages:
        if listed not in STAGES:
            raise ConfigError(f"balancing.stages holds {listed!r}; they are {', '.join(STAGES)}.")
    if name == FIXED or stage not in stages:
        return None
    if stage == "realism" and options.get("form") == "cheap":
        raise ConfigError(
            "balancing.form=cheap is for stage 2: stage 1's shared features build on each other; "
            "use exact."
        )
    if find_method(name).per_term:
        precision = hardware.precision(cfg)
        if precision.startswith("16"):
            raise ConfigError(
                f"balancing={name} takes gradients of single terms, which the scaler of "
                f"trainer.precision={precision} does not reach; use bf16-mixed or 32-true."
            )
        if cfg.trainer.compile:
            raise ConfigError(
                f"balancing={name} takes gradients at maps inside the networks, of which "
                "trainer.compile=true leaves nothing to see; set it to false."
            )
    names = balanced_terms(terms)
    lambdas = [terms.weights[name] for name in names]
    return build_balancer(name, names, lambdas, seed=cfg.seed, **options)


def diagnose_every(cfg: DictConfig) -> int:
    """Every how many steps the terms' gradients are compared; 0 = never.

    Compiled networks are one node of the graph: at the maps inside them there are no gradients.
    Those of float16, which the scaler does not reach there, are 0 or noise.
    """
    blind = cfg.trainer.compile or hardware.precision(cfg).startswith("16")
    return 0 if blind else int(cfg.balancing.diagnose_every)


def _term(key: str, term: type[nn.Module], **options: Any) -> nn.Module:
    """Make a term of the options below `key`; what it refuses is then named in full."""
    try:
        return term(**options)
    except ValueError as error:
        raise ConfigError(f"{key}.{error}") from error


def _check_together(cfg: DictConfig) -> None:
    """Refuse an objective of stage 2 whose parts are fine, each by itself."""
    loss, batch = cfg.loss, cfg.schedule.restoration.batch
    if loss.lambda2 > 0 and loss.realism.statistic == "centred" and batch < 2:
        raise ConfigError(
            f"loss.realism.statistic is centred and schedule.restoration.batch is {batch}: one "
            "image less its own mean is 0; it takes 2 at least, or another statistic."
        )
    inner = loss.smoothness
    smoothness = loss.lambda1 * (inner.output + inner.luma + inner.consistency)
    start, game = loss.realism.start, loss.adversarial
    style, play = loss.lambda2 and start == 0, game.weight and game.warmup == 0
    if not (smoothness or style or loss.lambda3 or play):
        raise ConfigError(
            "nothing would train stage 2's network from the first step on: loss.lambda3, and "
            "loss.lambda1 or loss.smoothness.output, luma and consistency are all 0, and "
            f"loss.lambda2 is {loss.lambda2} with loss.realism.start={start}."
        )

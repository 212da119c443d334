"""A representation of the pendulum and settings that train it within a second, for tests of pretraining."""

import lightning.pytorch as pl
import torch
from torch import Tensor

from anysense.envs.world import world
from anysense.representations.contract import Representation
from anysense.representations.modality import modalities_from_space
from anysense.representations.registry import build, make_networks, make_settings
from anysense.representations.training import (
    PretrainSettings,
)

QUICK = PretrainSettings(epochs=3, batch_size=64, warmup_steps=2, precision="32", device="cpu", threads=1, seed=4)


def new_representation(modalities=("image", "sound"), seed=0) -> Representation:
    return gmc(modalities_from_space(world().observation_space, modalities), seed)


def gmc(modalities, seed=0, **changes) -> Representation:
    settings = make_settings("gmc", "smoke", benchmark="pendulum", **changes)
    return build("gmc", modalities, settings, make_networks("gmc", "smoke", benchmark="pendulum"), seed)


def weights(representation: Representation) -> list[Tensor]:
    return [tensor.clone() for tensor in representation.state_dict().values()]


def assert_equal_weights(one: Representation, other: Representation) -> None:
    for a, b in zip(weights(one), weights(other), strict=True):
        assert torch.equal(a, b)


class Stop(pl.Callback):
    """Raises before the given step, as a kill would."""

    def __init__(self, step: int, error: type[BaseException] = RuntimeError) -> None:
        self.step, self.error = step, error

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == self.step:
            raise self.error("cut off")


class Worsen(pl.Callback):
    """Scatters the weights in every epoch from the given one on."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch >= self.epoch:
            with torch.no_grad():
                for weight in pl_module.representation.parameters():
                    weight.copy_(torch.linspace(-3, 3, weight.numel()).view_as(weight))

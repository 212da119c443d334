"""What pretraining refuses: data, losses, settings, devices."""

import dataclasses
import math
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch

from anysense.envs.world import world
from anysense.representations.benchmarks import presets
from anysense.representations.data import collect
from anysense.representations.training import (
    PretrainSettings,
    machine,
    pretrain,
)
from tests.representations.training.quick_runs import QUICK, new_representation


def test_loss_that_is_no_number(data, tmp_path):
    representation = new_representation()

    class Spoil(pl.Callback):
        def on_train_batch_start(self, trainer, *_):
            if trainer.global_step == 5:
                with torch.no_grad():
                    next(representation.parameters()).fill_(math.nan)

    with pytest.raises(
        FloatingPointError, match=r"The loss became nan in epoch 1, step 5\. Try a lower `learning_rate`"
    ):
        pretrain(representation, *data, QUICK, tmp_path, callbacks=[Spoil()])


def test_data_that_do_not_fit(data, tmp_path):
    train, validation = data
    sound_only = collect(world(), 64, "random", modalities=("sound",))
    with pytest.raises(ValueError, match=r"`train` lacks the modalities \['image'\].*it has \['sound'\]"):
        pretrain(new_representation(), sound_only, validation, QUICK, tmp_path)
    with pytest.raises(ValueError, match=r"`validation` must have at least 2 samples, got 1"):
        pretrain(new_representation(), train, validation.select([0]), QUICK, tmp_path)
    with pytest.raises(ValueError, match=r"`representation` is frozen"):
        pretrain(new_representation().requires_grad_(False), train, validation, QUICK, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, r"`epochs` must be at least 1, got 0"),
        ({"batch_size": 1}, r"`batch_size` must be at least 2"),
        ({"learning_rate": 0.0}, r"`learning_rate` must be positive and finite, got 0.0"),
        ({"learning_rate": math.nan}, r"`learning_rate` must be a finite number; got nan"),
        ({"gradient_clip": -1.0}, r"`gradient_clip` must be positive"),
        ({"ema_decay": 1.0}, r"`ema_decay` must lie between 0 and 1"),
        ({"schedule": "cosin"}, r"`schedule` must be one of 'constant', .* got 'cosin'. Did you mean 'cosine'"),
        ({"precision": "16"}, r"`precision` must be one of"),
        ({"keep": "first"}, r"`keep` must be one of 'best', 'last'"),
        ({"patience": 0}, r"`patience` must be at least 1"),
        ({"seed": -1}, r"`seed` must be at least 0"),
        ({"threads": 0}, r"`threads` must be at least 1, got 0"),
    ],
)
def test_wrong_settings(changes, message):
    with pytest.raises(ValueError, match=message):
        PretrainSettings(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 1.5}, r"`epochs` must be int; got 1.5"),
        ({"threads": True}, r"`threads` must be int; got True"),
        ({"learning_rate": "fast"}, r"`learning_rate` must be float; got 'fast'"),
    ],
)
def test_settings_of_the_wrong_type(changes, message):
    with pytest.raises(TypeError, match=message):
        PretrainSettings(**changes)


def test_unknown_device(data, tmp_path):
    with pytest.raises(ValueError, match=r"`device` must be 'auto', or what this machine has .cpu.*got 'tpu'"):
        pretrain(new_representation(), *data, dataclasses.replace(QUICK, device="tpu"), tmp_path)


def test_presets_and_automatic_choices(monkeypatch):
    paper = presets("pendulum").training("paper")
    assert (paper.epochs, paper.batch_size, paper.learning_rate, paper.schedule) == (500, 128, 1e-3, "constant")
    assert (paper.ema_decay, paper.keep, paper.precision) == (None, "last", "32")
    cpu = torch.device("cpu")
    monkeypatch.setattr(Path, "read_text", lambda _: "flags : fpu amx_bf16")
    assert machine.resolve_precision("auto", cpu) == "bf16"
    monkeypatch.setattr(Path, "read_text", lambda _: "flags : fpu avx512_bf16")
    assert machine.resolve_precision("auto", cpu) == "32"
    assert machine.resolve_precision("bf16", cpu) == "bf16"

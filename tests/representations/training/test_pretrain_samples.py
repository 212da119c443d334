"""Pretraining on samples of any modalities: masks, targets, epochs, and a learning rate that waits for a plateau."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor, nn

from anysense.representations.batch import Batch
from anysense.representations.contract import Representation
from anysense.representations.data import Samples
from anysense.representations.files import load_representation
from anysense.representations.modality import Modality
from anysense.representations.registry import build, make_settings
from anysense.representations.settings import MethodSettings
from anysense.representations.training import PretrainResult, PretrainSettings, measure, module, pretrain

SIZES = {"left": 4, "right": 6, "above": 5}
MODALITIES = {name: Modality(name, (size,), "float32", -4.0, 4.0) for name, size in SIZES.items()}
QUICK = PretrainSettings(
    epochs=3, batch_size=16, learning_rate=2e-3, schedule="constant", precision="32", device="cpu", threads=1, seed=4
)
PLATEAU = dataclasses.replace(QUICK, epochs=8, schedule="plateau", keep="last")
TIMING = {"samples_per_second", "train_seconds", "measure_seconds"}


def samples_of(count: int, seed: int, masked: bool = False) -> Samples:
    """Three linear views of one hidden vector; with masks a third of the samples lacks one."""
    generator = torch.Generator().manual_seed(seed)
    views = torch.Generator().manual_seed(99)
    hidden = torch.randn(count, 3, generator=generator)
    values = {name: (hidden @ torch.randn(3, size, generator=views)).tanh() for name, size in SIZES.items()}
    masks: dict[str, Tensor] = {}
    if masked:
        lost = torch.randint(9, (count,), generator=generator)
        masks = {name: lost != number for number, name in enumerate(SIZES)}
        values = {name: torch.where(masks[name][:, None], value, math.nan) for name, value in values.items()}
    return Samples(MODALITIES, values, hidden[:, 0].contiguous(), masks)


WHOLE = samples_of(72, 0), samples_of(24, 1)
MASKED = samples_of(72, 0, masked=True), samples_of(24, 1, masked=True)


def new_gmc(names: tuple[str, ...] = tuple(SIZES), seed: int = 0) -> Representation:
    settings = make_settings("gmc", common_dim=8, head_widths=(8,), latent_dim=4)
    return build("gmc", {name: MODALITIES[name] for name in names}, settings, seed=seed)


class Line(Representation):
    """One weight; the loss is the next of a list per epoch, whatever the data. Notes the epochs that it hears of."""

    method = "line"
    settings_class = MethodSettings
    uses_networks = False
    losses: tuple[float, ...] = ()

    def __init__(self) -> None:
        super().__init__(MODALITIES, MethodSettings(), None)
        self.latent_dim = 1
        self.weight = nn.Parameter(torch.zeros(()))
        self.heard: list[int] = []
        self.targets: list[Tensor | None] = []

    def begin_epoch(self, epoch: int) -> None:
        self.heard.append(epoch)

    def encode_batch(self, batch: Batch) -> Tensor:
        return self.weight.expand(batch.size, 1)

    def loss_batch(self, batch: Batch) -> dict[str, Tensor]:
        self.targets.append(batch.target)
        level = self.losses[self.heard[-1]] if self.losses else 0.0
        return {"total": 0.0 * self.weight + level}


class Supervised(Line):
    needs_target = True


class Stop(pl.Callback):
    """Raises before the given step, as a kill would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == self.step:
            raise RuntimeError("cut off")


def rows_without_times(result: PretrainResult) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name not in TIMING} for row in result.history]


def assert_equal_weights(one: Representation, other: Representation) -> None:
    for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b)


# Samples


def test_pretraining_on_samples_learns_and_can_be_loaded(tmp_path: Path) -> None:
    settings = dataclasses.replace(QUICK, epochs=8, learning_rate=1e-2)
    representation = new_gmc()
    before = measure(representation, WHOLE[1], WHOLE[0], 16)
    result = pretrain(representation, *WHOLE, settings, tmp_path)
    assert result.metrics["validation/total"] < before["validation/total"] - 1.0
    assert result.metrics["retrieval/left"] > before["retrieval/left"]
    assert not any(name.startswith(("probe", "kernel_probe")) for name in result.metrics)
    restored = load_representation(tmp_path / "representation")
    assert_equal_weights(restored, result.representation)
    assert restored.modalities == representation.modalities
    assert {name: each.shape for name, each in restored.modalities.items()} == {
        name: each.shape for name, each in MODALITIES.items()
    }


def test_pretraining_on_samples_with_gaps_learns(tmp_path: Path) -> None:
    """Absent values are NaN here, so any use of them would show."""
    settings = dataclasses.replace(QUICK, epochs=8, learning_rate=1e-2)
    representation = new_gmc()
    before = measure(representation, MASKED[1], MASKED[0], 24)
    result = pretrain(representation, *MASKED, settings, tmp_path)
    assert result.metrics["validation/total"] < before["validation/total"] - 1.0
    assert not any(name.startswith(("alignment", "retrieval")) for name in result.metrics)
    assert all(bool(value.isfinite().all()) for value in result.representation.state_dict().values())
    complete = measure(result.representation, WHOLE[1], WHOLE[0], 24)
    untrained = measure(new_gmc(), WHOLE[1], WHOLE[0], 24)
    assert complete["validation/total"] < untrained["validation/total"] - 1.0


@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_a_resumed_run_on_gaps_equals_an_uninterrupted_one(tmp_path: Path, ema_decay: float | None) -> None:
    settings = dataclasses.replace(QUICK, ema_decay=ema_decay)
    whole = pretrain(new_gmc(), *MASKED, settings, tmp_path / "whole")
    with pytest.raises(RuntimeError, match="cut off"):
        pretrain(new_gmc(), *MASKED, settings, tmp_path / "cut", callbacks=[Stop(8)])
    resumed = pretrain(new_gmc(seed=1), *MASKED, settings, tmp_path / "cut", resume=True)
    assert_equal_weights(whole.representation, resumed.representation)
    assert rows_without_times(whole) == rows_without_times(resumed)


def test_masks_of_modalities_that_are_not_read_do_not_matter(tmp_path: Path) -> None:
    """Half of the samples lack `above`, which this representation does not have."""
    masks = {"above": torch.arange(72) % 2 == 0}
    train = dataclasses.replace(WHOLE[0], masks=masks)
    validation = dataclasses.replace(WHOLE[1], masks={"above": masks["above"][:24]})
    one = pretrain(new_gmc(("left", "right")), train, validation, QUICK, tmp_path / "one")
    other = pretrain(new_gmc(("left", "right")), *WHOLE, QUICK, tmp_path / "other")
    assert_equal_weights(one.representation, other.representation)
    assert rows_without_times(one) == rows_without_times(other)


def test_samples_without_anything_to_read(tmp_path: Path) -> None:
    train = dataclasses.replace(WHOLE[0], masks={"left": torch.arange(72) % 30 > 0})
    message = (
        r"`train` has 3 samples without any modality of the representation, the first at \[0, 30, 60\]; remove them"
    )
    with pytest.raises(ValueError, match=message):
        pretrain(new_gmc(("left",)), train, WHOLE[1], QUICK, tmp_path)
    with pytest.raises(ValueError, match=r"`validation` has 3 samples without any modality"):
        pretrain(new_gmc(("left",)), WHOLE[0], train, QUICK, tmp_path)
    narrow = Samples({"left": MODALITIES["left"]}, {"left": WHOLE[0].values["left"]})
    with pytest.raises(ValueError, match=r"`train` lacks the modalities \['above', 'right'\] of the representation"):
        pretrain(new_gmc(), narrow, WHOLE[1], QUICK, tmp_path)
    assert not list(tmp_path.iterdir())


def test_other_samples_are_refused_on_resume(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="cut off"):
        pretrain(new_gmc(), *WHOLE, QUICK, tmp_path, callbacks=[Stop(6)])
    with pytest.raises(ValueError, match=r"data `train` was '72 samples, checksum .*', is '72 samples, checksum"):
        pretrain(new_gmc(), MASKED[0], WHOLE[1], QUICK, tmp_path, resume=True)


# Targets


def test_targets_reach_supervised_methods_and_no_others(tmp_path: Path) -> None:
    plain, supervised = Line(), Supervised()
    settings = dataclasses.replace(QUICK, epochs=1)
    pretrain(plain, *WHOLE, settings, tmp_path / "plain")
    assert set(plain.targets) == {None}
    pretrain(supervised, *WHOLE, settings, tmp_path / "supervised")
    seen = torch.cat(supervised.targets)
    assert torch.equal(seen[:72].sort().values, WHOLE[0].targets.sort().values)
    with pytest.raises(ValueError, match=r"`train` has no targets, which the supervised method 'line' needs"):
        pretrain(Supervised(), dataclasses.replace(WHOLE[0], targets=None), WHOLE[1], settings, tmp_path / "none")
    with pytest.raises(ValueError, match=r"`validation` has no targets"):
        pretrain(Supervised(), WHOLE[0], dataclasses.replace(WHOLE[1], targets=None), settings, tmp_path / "none")
    assert not (tmp_path / "none").exists()


# Measuring


def test_measure_gives_the_mean_over_full_batches_with_targets() -> None:
    class Mean(Supervised):
        def loss_batch(self, batch: Batch) -> dict[str, Tensor]:
            return {"total": batch.target.mean(), "rows": torch.tensor(float(batch.size))}

    samples, values = WHOLE[1], measure(Mean(), WHOLE[1], WHOLE[0], batch_size=5, seed=3)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(3))[:20]
    assert values["validation/total"] == pytest.approx(float(samples.targets[order].mean()), abs=1e-6)
    assert values["validation/rows"] == 5.0
    whole = measure(Mean(), WHOLE[1], WHOLE[0], batch_size=100)
    assert whole["validation/total"] == pytest.approx(float(samples.targets.mean()), abs=1e-6)
    assert whole["validation/rows"] == 24.0


def test_measure_of_samples_with_gaps_is_the_loss_of_what_is_there() -> None:
    representation = new_gmc().eval()
    values = measure(representation, MASKED[1], MASKED[0], batch_size=24)
    assert set(values) == {f"validation/{name}" for name in ("total", *SIZES)}
    rows = torch.stack(list(MASKED[1].masks.values())).all(dim=0).nonzero().flatten()
    with torch.no_grad():
        expected = representation.loss(WHOLE[1].observation(rows))
    for name, value in expected.items():
        assert values[f"validation/{name}"] == pytest.approx(float(value), rel=1e-5)


def test_measure_ignores_masks_of_modalities_that_are_not_read() -> None:
    representation = new_gmc(("left", "right"))
    masked = dataclasses.replace(WHOLE[1], masks={"above": torch.arange(24) > 3})
    assert measure(representation, masked, WHOLE[0], 12) == measure(representation, WHOLE[1], WHOLE[0], 12)


def test_measure_aligns_complete_samples_by_hand() -> None:
    representation = new_gmc().eval()
    values = measure(representation, WHOLE[1], WHOLE[0], batch_size=24)
    observation = WHOLE[1].observation(range(24))
    with torch.no_grad():
        joint = representation.encode(observation)
        right = representation.encode({"right": observation["right"]})
    assert values["alignment/right_cosine"] == pytest.approx(float((joint * right).sum(dim=1).mean()), abs=1e-5)
    assert values["alignment/right_rms"] == pytest.approx(
        float((joint - right).square().sum(1).mean().sqrt()), rel=1e-4
    )
    own = (right @ joint.T).argmax(dim=1) == torch.arange(24)
    assert values["retrieval/right"] == pytest.approx(float(own.float().mean()))


# Epochs


def test_every_epoch_is_announced_once(tmp_path: Path) -> None:
    line = Line()
    pretrain(line, *WHOLE, QUICK, tmp_path)
    assert line.heard == [0, 1, 2]


@pytest.mark.parametrize("step", [3, 12])
def test_epochs_are_announced_with_their_number_after_a_restart(tmp_path: Path, step: int) -> None:
    """Five steps make an epoch: the one that was cut off is repeated."""
    settings = dataclasses.replace(QUICK, epochs=4)
    cut, resumed = Line(), Line()
    with pytest.raises(RuntimeError, match="cut off"):
        pretrain(cut, *WHOLE, settings, tmp_path, callbacks=[Stop(step)])
    assert cut.heard == list(range(step // 5 + 1))
    pretrain(resumed, *WHOLE, settings, tmp_path, resume=True)
    assert resumed.heard == list(range(step // 5, 4))


def test_the_weight_average_hears_of_epochs_too(tmp_path: Path) -> None:
    """Its validation loss is the one of the epoch, so it knows which one it is."""
    line = Line()
    line.losses = (3.0, 1.0, 2.0)
    result = pretrain(line, *WHOLE, dataclasses.replace(QUICK, ema_decay=0.9), tmp_path)
    assert [row["validation/total"] for row in result.history] == [3.0, 1.0, 2.0]
    assert line.heard == [0, 1, 2]


# Learning rate


def rates_by_hand(losses: tuple[float, ...], start: float, patience: int) -> list[float]:
    """Learning rate of each epoch: a tenth of it after more than ``patience`` epochs in a row without improvement."""
    rate, best, waited, rates = start, math.inf, 0, []
    for loss in losses:
        rates.append(rate)
        if loss < best * (1 - 1e-4):
            best, waited = loss, 0
        else:
            waited += 1
        if waited > patience:
            rate, waited = rate / 10, 0
    return rates


LOSSES = {
    "at rest": (1.0,) * 8,
    "falling": (8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0),
    "late": (5.0, 4.0, 4.0, 4.0, 3.0, 3.5, 3.2, 3.1),
    "hardly": (1.0, 0.99999, 0.99998, 0.99997, 0.99996, 0.99995, 0.5, 0.5),
}


@pytest.mark.parametrize("patience", [1, 2])
@pytest.mark.parametrize("losses", LOSSES.values(), ids=LOSSES)
def test_rate_falls_when_the_loss_has_come_to_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, losses: tuple[float, ...], patience: int
) -> None:
    monkeypatch.setattr(module, "PLATEAU_PATIENCE", patience)
    line = Line()
    line.losses = losses
    result = pretrain(line, *WHOLE, PLATEAU, tmp_path)
    assert [row["learning_rate"] for row in result.history] == pytest.approx(rates_by_hand(losses, 2e-3, patience))


def test_published_patience_is_twenty_epochs(tmp_path: Path) -> None:
    assert (module.PLATEAU_PATIENCE, module.PLATEAU_FACTOR) == (20, 0.1)
    line, few = Line(), samples_of(4, 0)
    line.losses = (1.0,) * 23
    result = pretrain(line, few, few, dataclasses.replace(PLATEAU, epochs=23), tmp_path)
    rates = [row["learning_rate"] for row in result.history]
    assert rates == pytest.approx([2e-3] * 22 + [2e-4])


@pytest.mark.parametrize("step", [7, 17, 26])
def test_a_resumed_plateau_equals_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Cut off early, while it waits for the first fall of the rate, and after that fall."""
    monkeypatch.setattr(module, "PLATEAU_PATIENCE", 1)
    losses = (5.0, 4.0, 4.5, 4.4, 3.0, 3.1, 3.2, 3.3)

    def lines() -> Line:
        line = Line()
        line.losses = losses
        return line

    with pytest.raises(RuntimeError, match="cut off"):
        pretrain(lines(), *WHOLE, PLATEAU, tmp_path, callbacks=[Stop(step)])
    resumed = pretrain(lines(), *WHOLE, PLATEAU, tmp_path, resume=True)
    expected = rates_by_hand(losses, 2e-3, 1)
    assert expected == pytest.approx([2e-3] * 4 + [2e-4] * 3 + [2e-5])
    assert [row["learning_rate"] for row in resumed.history] == pytest.approx(expected)


def test_a_resumed_plateau_trains_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a rate so high that the loss goes up and down, cut off twice."""
    monkeypatch.setattr(module, "PLATEAU_PATIENCE", 0)
    settings = dataclasses.replace(PLATEAU, epochs=6, learning_rate=0.1, gradient_clip=0.8)
    whole = pretrain(new_gmc(), *MASKED, settings, tmp_path / "whole")
    rates = [row["learning_rate"] for row in whole.history]
    assert min(rates) < 0.1 == rates[0]
    for step in (7, 18):
        with pytest.raises(RuntimeError, match="cut off"):
            pretrain(new_gmc(), *MASKED, settings, tmp_path / "cut", resume=step > 7, callbacks=[Stop(step)])
    resumed = pretrain(new_gmc(), *MASKED, settings, tmp_path / "cut", resume=True)
    assert_equal_weights(whole.representation, resumed.representation)
    assert rows_without_times(whole) == rows_without_times(resumed)


def test_an_old_checkpoint_of_another_schedule_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="cut off"):
        pretrain(new_gmc(), *WHOLE, QUICK, tmp_path, callbacks=[Stop(6)])
    changed: Mapping[str, object] = {"schedule": "plateau"}
    with pytest.raises(ValueError, match=r"settings `schedule` was 'constant', is 'plateau'"):
        pretrain(new_gmc(), *WHOLE, dataclasses.replace(QUICK, **changed), tmp_path, resume=True)

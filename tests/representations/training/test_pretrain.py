import csv
import dataclasses
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from torch import Tensor

from anysense.common.checkpoints import read_checkpoint, write_checkpoint
from anysense.common.errors import FileFormatError
from anysense.envs.world import world
from anysense.representations.benchmarks import presets
from anysense.representations.contract import Representation
from anysense.representations.data import Transitions, collect
from anysense.representations.files import load_representation
from anysense.representations.modality import modalities_from_space
from anysense.representations.registry import build, make_networks, make_settings
from anysense.representations.training import (
    BatchLoader,
    PretrainResult,
    PretrainSettings,
    machine,
    measure,
    pretrain,
)
from anysense.representations.training.module import PretrainingModule, cosine_factor, weight_average

QUICK = PretrainSettings(epochs=3, batch_size=64, warmup_steps=2, precision="32", device="cpu", threads=1, seed=4)


@pytest.fixture(scope="module")
def data() -> tuple[Transitions, Transitions]:
    return collect(world(), 300).split(0.25, seed=0)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory) -> PretrainResult:
    """An uninterrupted run with the quick settings."""
    return pretrain(new_representation(), *data, QUICK, tmp_path_factory.mktemp("whole"))


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


def test_pretraining_learns_and_leaves_a_complete_folder(data, tmp_path):
    train, validation = data
    settings = dataclasses.replace(QUICK, epochs=10, learning_rate=5e-3)
    representation = new_representation()
    before = measure(representation, validation, train, 64)
    result = pretrain(representation, train, validation, settings, tmp_path / "run")
    assert result.metrics["validation/total"] < before["validation/total"] - 1.0
    assert result.metrics["retrieval/image"] > 3 * before["retrieval/image"]
    assert not result.representation.training
    assert len(result.history) == 10
    assert {entry.name for entry in (tmp_path / "run").iterdir()} == {
        "checkpoints",
        "metrics.csv",
        "representation",
        "tensorboard",
    }
    restored = load_representation(tmp_path / "run" / "representation")
    assert_equal_weights(restored, result.representation)
    again = measure(restored, validation, train, settings.batch_size, settings.seed)
    for name, value in again.items():
        assert result.metrics[name] == pytest.approx(value, abs=1e-5, rel=1e-4)


def test_table_has_one_plain_row_per_epoch(whole):
    with (whole.folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert [row["step"] for row in rows] == ["4", "8", "12"]
    assert [{name: float(value) for name, value in row.items()} for row in rows] == whole.history
    expected = {"train/total", "validation/total", "validation/image", "validation/sound"}
    expected |= {f"alignment/{modality}_{kind}" for modality in ("image", "sound") for kind in ("cosine", "rms")}
    expected |= {"retrieval/image", "retrieval/sound", "learning_rate", "samples_per_second"}
    expected |= {
        f"{probe}/{subset}_{target}_{kind}"
        for probe in ("probe", "kernel_probe")
        for subset in ("complete", "image", "sound")
        for target in ("cos_theta", "sin_theta", "omega")
        for kind in ("r2", "rmse")
    }
    assert expected <= set(rows[0])


@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_same_seed_same_result_and_other_seed_other_result(data, tmp_path, ema_decay):
    settings = dataclasses.replace(QUICK, epochs=1, ema_decay=ema_decay)
    results = [
        pretrain(new_representation(), *data, dataclasses.replace(settings, seed=seed), tmp_path / str(k))
        for k, seed in enumerate([1, 1, 2])
    ]
    assert_equal_weights(results[0].representation, results[1].representation)
    assert results[0].metrics["validation/total"] == results[1].metrics["validation/total"]
    assert results[0].metrics["train/total"] != results[2].metrics["train/total"]


def cut_and_resume(data, settings: PretrainSettings, folder: Path, step: int) -> PretrainResult:
    with pytest.raises(RuntimeError, match="cut off"):
        pretrain(new_representation(), *data, settings, folder, callbacks=[Stop(step)])
    return pretrain(new_representation(), *data, settings, folder, resume=True)


def test_resumed_run_with_every_option_equals_an_uninterrupted_one(data, tmp_path):
    settings = dataclasses.replace(QUICK, ema_decay=0.9, keep="last", schedule="constant", gradient_clip=0.5)
    whole = pretrain(new_representation(), *data, settings, tmp_path / "whole")
    assert_equal_weights(whole.representation, cut_and_resume(data, settings, tmp_path / "cut", 9).representation)


@pytest.mark.parametrize("step", [2, 4, 9])
def test_resumed_run_equals_an_uninterrupted_one(data, whole, tmp_path, step):
    resumed = cut_and_resume(data, QUICK, tmp_path, step)
    assert_equal_weights(whole.representation, resumed.representation)
    assert resumed.epoch == whole.epoch
    timing = {"samples_per_second", "train_seconds", "measure_seconds"}
    for one, other in zip(whole.history, resumed.history, strict=True):
        assert {k: v for k, v in one.items() if k not in timing} == {k: v for k, v in other.items() if k not in timing}


class Drawing(pl.Callback):
    """Draws from the global generator, as a method with sampling in its loss would, and notes what came."""

    def __init__(self) -> None:
        self.drawn: dict[int, float] = {}

    def on_train_batch_start(self, trainer, *_):
        self.drawn[trainer.global_step] = float(torch.rand(()))


def test_what_a_method_draws_itself_is_repeated_after_a_restart(data, tmp_path):
    whole, cut, resumed = Drawing(), Drawing(), Drawing()
    pretrain(new_representation(), *data, QUICK, tmp_path / "whole", callbacks=[whole])
    with pytest.raises(RuntimeError, match="cut off"):
        pretrain(new_representation(), *data, QUICK, tmp_path / "cut", callbacks=[cut, Stop(5)])
    pretrain(new_representation(), *data, QUICK, tmp_path / "cut", resume=True, callbacks=[resumed])
    assert cut.drawn | resumed.drawn == whole.drawn
    assert len(set(whole.drawn.values())) == 12


KILLED = """
import os, signal, sys
import lightning.pytorch as pl
from anysense.envs.world import world
from anysense.representations.data import collect
from anysense.representations.modality import modalities_from_space
from anysense.representations.registry import build, make_networks, make_settings
from anysense.representations.training import PretrainSettings, pretrain

class Kill(pl.Callback):
    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == 6:
            os.kill(os.getpid(), signal.SIGKILL)

settings = PretrainSettings(
    epochs=3, batch_size=64, warmup_steps=2, precision="32", device="cpu", threads=1, seed=4
)
data = collect(world(), 300).split(0.25, seed=0)
modalities = modalities_from_space(world().observation_space)
presets = [make("gmc", "smoke", benchmark="pendulum") for make in (make_settings, make_networks)]
pretrain(build("gmc", modalities, *presets), *data, settings, sys.argv[1], callbacks=[Kill()])
"""


def test_run_killed_by_signal_9_goes_on_where_it_was(data, whole, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "cut")], check=False, capture_output=True, timeout=120
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert len((tmp_path / "cut" / "metrics.csv").read_text().splitlines()) == 2
    resumed = pretrain(new_representation(), *data, QUICK, tmp_path / "cut", resume=True)
    assert_equal_weights(whole.representation, resumed.representation)


def test_a_complete_run_can_be_resumed_without_change(data, tmp_path):
    first = pretrain(new_representation(), *data, QUICK, tmp_path)
    again = pretrain(new_representation(seed=9), *data, QUICK, tmp_path, resume=True)
    assert_equal_weights(first.representation, again.representation)
    assert again.history == first.history


class Worsen(pl.Callback):
    """Scatters the weights in every epoch from the given one on."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch >= self.epoch:
            with torch.no_grad():
                for weight in pl_module.representation.parameters():
                    weight.copy_(torch.linspace(-3, 3, weight.numel()).view_as(weight))


def test_patience_stops_and_the_best_epoch_is_kept(data, tmp_path):
    settings = dataclasses.replace(QUICK, epochs=8, patience=2)
    result = pretrain(new_representation(), *data, settings, tmp_path, callbacks=[Worsen(2)])
    losses = [row["validation/total"] for row in result.history]
    assert result.stopped_early
    assert len(losses) == 4
    assert result.epoch == int(np.argmin(losses)) == 1
    kept = measure(result.representation, data[1], data[0], settings.batch_size, settings.seed)
    assert kept["validation/total"] == pytest.approx(min(losses), rel=1e-5)
    again = pretrain(new_representation(), *data, settings, tmp_path, resume=True)
    assert len(again.history) == 4
    assert_equal_weights(again.representation, result.representation)


def test_last_epoch_is_kept_on_request(data, tmp_path):
    settings = dataclasses.replace(QUICK, keep="last")
    result = pretrain(new_representation(), *data, settings, tmp_path, callbacks=[Worsen(2)])
    assert result.epoch == 2
    kept = measure(result.representation, data[1], data[0], settings.batch_size, settings.seed)
    assert kept["validation/total"] == pytest.approx(result.metrics["validation/total"], rel=1e-5)
    assert kept["validation/total"] > result.history[1]["validation/total"]


def test_single_modality(tmp_path, data):
    """Images in the data are neither read nor asked for."""
    result = pretrain(new_representation(("sound",)), *data, dataclasses.replace(QUICK, epochs=1), tmp_path)
    assert "probe/complete_omega_r2" in result.metrics
    assert not any(name.startswith("alignment") for name in result.metrics)


def test_nothing_global_changes(data, tmp_path):
    threads, rng = torch.get_num_threads(), torch.get_rng_state()
    numpy_state, handler = np.random.get_state()[1].copy(), signal.getsignal(signal.SIGINT)  # noqa: NPY002
    settings = dataclasses.replace(QUICK, epochs=1, threads=threads + 1)
    pretrain(new_representation(), *data, settings, tmp_path)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), rng)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert signal.getsignal(signal.SIGINT) is handler
    assert not torch.backends.cudnn.deterministic


def test_quiet_without_a_terminal(data, tmp_path, capfd):
    pretrain(new_representation(), *data, dataclasses.replace(QUICK, epochs=1), tmp_path)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_progress_on_a_terminal(data, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "150")
    pretrain(new_representation(), *data, dataclasses.replace(QUICK, epochs=1), tmp_path)
    shown = capfd.readouterr().err
    assert "validation loss" in shown
    assert "steps/s" in shown


def test_ctrl_c_stays_ctrl_c(data, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        pretrain(new_representation(), *data, QUICK, tmp_path, callbacks=[Stop(5, KeyboardInterrupt)])
    assert pretrain(new_representation(), *data, QUICK, tmp_path, resume=True).history[-1]["epoch"] == 2


def test_bf16_learns_as_well(data, tmp_path):
    settings = dataclasses.replace(QUICK, epochs=4)
    exact = pretrain(new_representation(), *data, settings, tmp_path / "32")
    mixed = pretrain(new_representation(), *data, dataclasses.replace(settings, precision="bf16"), tmp_path / "bf16")
    assert mixed.metrics["validation/total"] == pytest.approx(exact.metrics["validation/total"], rel=0.05)
    assert all(parameter.dtype == torch.float32 for parameter in mixed.representation.parameters())


# Schedule and weight average


def test_cosine_schedule_rises_and_falls_to_zero():
    factors = [cosine_factor(step, total=100, warmup=9) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[50] == pytest.approx(0.5)
    assert factors[25] == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
    assert factors[100] == pytest.approx(0.0, abs=1e-12)
    assert factors[10:] == sorted(factors[10:], reverse=True)


def test_weight_average_equals_a_slow_loop():
    representation = new_representation(("sound",))
    average = weight_average(representation, decay=0.3)
    name, weight = next(iter(representation.named_parameters()))
    expected = weight.detach().double().clone()
    for step in range(6):
        with torch.no_grad():
            weight.add_(0.1 * (step + 1))
        average.update_parameters(representation)
        if step == 0:
            expected = weight.detach().double().clone()
        else:
            decay = min(0.3, (1 + step) / (10 + step))
            expected = decay * expected + (1 - decay) * weight.detach().double()
    torch.testing.assert_close(average.module.get_parameter(name).double(), expected, rtol=1e-6, atol=1e-6)


def test_first_step_equals_plain_adam(data):
    """Two steps of the module against two steps of torch.optim.Adam written out."""
    settings = dataclasses.replace(QUICK, epochs=1, schedule="constant", ema_decay=None, learning_rate=1e-2)
    trained, plain = new_representation(), new_representation()
    part = data[0].select(range(128))
    loader = BatchLoader(part, 64, settings.seed)
    module = PretrainingModule(trained, loader, settings)
    optimiser = torch.optim.Adam(plain.parameters(), lr=1e-2)
    own = module.configure_optimizers()
    for index, batch in enumerate(loader):
        module.training_step(batch, index).backward()
        own.step()
        own.zero_grad()
        optimiser.zero_grad()
        plain.loss(*batch)["total"].backward()
        optimiser.step()
    for a, b in zip(weights(trained), weights(plain), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


# Measuring


def test_measure_leaves_the_representation_as_it_was(data):
    representation = new_representation()
    before = weights(representation)
    one, two = (measure(representation, data[1], data[0], 64, seed=1) for _ in range(2))
    assert one == two
    assert representation.training
    assert all(torch.equal(a, b) for a, b in zip(before, weights(representation), strict=True))


def test_measure_equals_the_metrics_computed_by_hand(data):
    representation, validation = new_representation().eval(), data[1].select(range(64))
    values = measure(representation, validation, data[0], batch_size=64, seed=0)
    observation = validation.observation(range(64))
    with torch.no_grad():
        joint = representation.encode(observation)
        sound = representation.encode({"sound": observation["sound"]})
        loss = representation.loss(observation)["total"]
    assert values["alignment/sound_rms"] == pytest.approx(
        float((sound - joint).norm(dim=1).square().mean().sqrt()), rel=1e-4
    )
    assert values["validation/total"] == pytest.approx(float(loss), rel=1e-4)
    own = (sound @ joint.T).argmax(dim=1) == torch.arange(64)
    assert values["retrieval/sound"] == pytest.approx(float(own.float().mean()))


def test_probe_is_fitted_on_complete_latents_only(data):
    """A sound encoder that says the opposite of the joint one must read out worse than the mean, not be refitted."""
    representation = new_representation().eval()
    honest = representation.encode

    def flipped(observation, present=None, **options):
        latents = honest(representation_input(observation), present, **options)
        return latents if "image" in observation else -latents

    def representation_input(observation):
        return observation

    representation.encode = flipped
    values = measure(representation, data[1], data[0], 64)
    assert values["probe/complete_cos_theta_r2"] > 0
    assert values["probe/sound_cos_theta_r2"] < 0


def test_the_world_is_stored_with_the_representation(data, tmp_path):
    result = pretrain(new_representation(), *data, dataclasses.replace(QUICK, epochs=1), tmp_path)
    assert result.representation.world == world().to_json() == data[0].world
    assert load_representation(tmp_path / "representation").world == world().to_json()


def test_a_run_whose_folder_was_moved_keeps_its_best_epoch(data, tmp_path):
    whole = pretrain(new_representation(), *data, QUICK, tmp_path / "whole", callbacks=[Worsen(1)])
    with pytest.raises(RuntimeError, match="cut off"):
        pretrain(new_representation(), *data, QUICK, tmp_path / "cut", callbacks=[Worsen(1), Stop(5)])
    (tmp_path / "cut").rename(tmp_path / "moved")
    moved = pretrain(new_representation(), *data, QUICK, tmp_path / "moved", resume=True, callbacks=[Worsen(1)])
    assert moved.epoch == whole.epoch == 0
    assert_equal_weights(moved.representation, whole.representation)


# Wrong input


def test_existing_run_is_not_overwritten(data, tmp_path):
    pretrain(new_representation(), *data, dataclasses.replace(QUICK, epochs=1), tmp_path / "run")
    before = (tmp_path / "run" / "metrics.csv").read_bytes()
    with pytest.raises(
        FileExistsError, match=r"`.*run` already holds a pretraining; continue it with `--resume`.*`--out`"
    ):
        pretrain(new_representation(), *data, QUICK, tmp_path / "run")
    assert (tmp_path / "run" / "metrics.csv").read_bytes() == before


def test_folder_with_other_files_is_fine(data, tmp_path):
    (tmp_path / "run.json").write_text("{}")
    pretrain(new_representation(), *data, dataclasses.replace(QUICK, epochs=1), tmp_path)
    assert (tmp_path / "run.json").read_text() == "{}"


def test_resume_needs_a_folder_but_starts_again_without_a_checkpoint(data, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`.*nowhere` does not exist, so there is nothing to resume"):
        pretrain(new_representation(), *data, QUICK, tmp_path / "nowhere", resume=True)
    with pytest.raises(RuntimeError, match="cut off"):
        pretrain(new_representation(), *data, QUICK, tmp_path / "cut", callbacks=[Stop(2)])
    assert len(pretrain(new_representation(), *data, QUICK, tmp_path / "cut", resume=True).history) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s, d, r: (dataclasses.replace(s, batch_size=32), d, r), r"settings `batch_size` was 64, is 32"),
        (
            lambda s, d, r: (s, (d[0].select(range(100)), d[1]), r),
            r"data `train` was '\d+ transitions.*is '100 transitions",
        ),
        (lambda s, d, r: (s, d, "wide"), r"method `latent_dim` was 8, is 9"),
    ],
)
def test_resume_with_something_else_is_refused(data, tmp_path, change, message):
    with pytest.raises(RuntimeError, match="cut off"):
        pretrain(new_representation(), *data, QUICK, tmp_path, callbacks=[Stop(5)])
    settings, parts, wide = change(QUICK, data, None)
    representation = new_representation()
    if wide:
        representation = gmc(representation.modalities, latent_dim=9)
    with pytest.raises(ValueError, match=rf"cannot be resumed with other settings or data: .*{message}"):
        pretrain(representation, *parts, settings, tmp_path, resume=True)


def test_threads_and_device_may_change_on_resume(data, tmp_path):
    with pytest.raises(RuntimeError, match="cut off"):
        pretrain(new_representation(), *data, QUICK, tmp_path, callbacks=[Stop(5)])
    pretrain(new_representation(), *data, dataclasses.replace(QUICK, threads=None), tmp_path, resume=True)


def test_damaged_checkpoint(data, tmp_path):
    with pytest.raises(RuntimeError, match="cut off"):
        pretrain(new_representation(), *data, QUICK, tmp_path, callbacks=[Stop(5)])
    last = tmp_path / "checkpoints" / "last.ckpt"
    content = last.read_bytes()
    last.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"`.*last.ckpt` is damaged: it is cut short or altered"):
        pretrain(new_representation(), *data, QUICK, tmp_path, resume=True)
    last.write_bytes(content)
    for change, message in (
        (lambda state: state.pop("loops"), r"is not a checkpoint of pretraining: the content lacks \['loops'\]"),
        (lambda state: state["callbacks"].pop("measure"), r"`callbacks` lacks \['measure'\]"),
        (lambda state: state["state_dict"].popitem(), r"does not fit the run: missing \["),
        (lambda state: state.update(epoch=10**9), "does not fit the run: `epoch` must be an integer from 1 to"),
        (
            lambda state: total_epochs(state).update(completed=-(10**9)),
            "does not fit the run: `completed` must be an i",
        ),
        (lambda state: total_epochs(state).update(ready=10**9), "does not fit the run: `ready` must be an integer"),
    ):
        state = read_checkpoint(last)
        change(state)
        write_checkpoint(last, state)
        with pytest.raises(FileFormatError, match=rf"`.*last\.ckpt` .*{message}"):
            pretrain(new_representation(), *data, QUICK, tmp_path, resume=True)
        last.write_bytes(content)


def total_epochs(state):
    return state["loops"]["fit_loop"]["epoch_progress"]["total"]


def test_checkpoint_that_would_run_code_is_refused(data, tmp_path):
    with pytest.raises(RuntimeError, match="cut off"):
        pretrain(new_representation(), *data, QUICK, tmp_path, callbacks=[Stop(5)])

    class Payload:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    torch.save({"anysense": Payload(), "state_dict": {}, "callbacks": {}}, tmp_path / "checkpoints" / "last.ckpt")
    with pytest.raises(ValueError, match="is not a checkpoint of this release"):
        pretrain(new_representation(), *data, QUICK, tmp_path, resume=True)
    assert not (tmp_path / "executed").exists()


def test_full_disk_keeps_what_was_written(data, whole, tmp_path, monkeypatch):
    replace = os.replace

    class Full(pl.Callback):
        def on_train_epoch_start(self, trainer, *_):
            if trainer.current_epoch == 1:
                monkeypatch.setattr(os, "replace", self.refuse)

        @staticmethod
        def refuse(*_):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match=r"Cannot write `.*` \(No space left on device\); free space or choose another"):
        pretrain(new_representation(), *data, QUICK, tmp_path / "cut", callbacks=[Full()])
    assert not list((tmp_path / "cut").rglob("*.part"))
    monkeypatch.setattr(os, "replace", replace)
    resumed = pretrain(new_representation(), *data, QUICK, tmp_path / "cut", resume=True)
    assert_equal_weights(whole.representation, resumed.representation)


def test_folder_that_cannot_be_made(data, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"Cannot write `.*run` \(Not a directory\); choose another folder"):
        pretrain(new_representation(), *data, QUICK, tmp_path / "file" / "run")


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

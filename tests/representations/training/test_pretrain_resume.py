"""Going on with pretraining: to the bit, after kills and moves, and not with something else."""

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch

from anysense.common.checkpoints import read_checkpoint, write_checkpoint
from anysense.common.errors import FileFormatError
from anysense.representations.training import (
    PretrainResult,
    PretrainSettings,
    pretrain,
)
from tests.representations.training.quick_runs import QUICK, Stop, Worsen, assert_equal_weights, gmc, new_representation


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

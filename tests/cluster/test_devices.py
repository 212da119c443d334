"""One pretraining by two processes on the CPU."""

import csv
import json
import os
import signal
import subprocess
import sys

import lightning.pytorch as pl
import pytest
import torch
from safetensors.torch import load_file

from anysense.representations import Modality, build, make_networks, make_settings
from anysense.representations.data import Samples
from anysense.representations.pretrain_settings import PretrainSettings
from anysense.representations.training import pretrain

MODALITIES = {name: Modality(name, (3,), "float32", -5.0, 5.0) for name in ("a", "b")}
LEFT_OVER = {"LOCAL_RANK": "1", "RANK": "1", "WORLD_SIZE": "2", "SLURM_NTASKS": "2", "SLURM_PROCID": "1"}
"""What a launcher may have left in the environment."""


class Kill(pl.Callback):
    """Kills the second process in the second epoch, once."""

    def __init__(self, mark):
        self.mark = mark

    def on_train_batch_end(self, trainer, *_):
        """Is called in every process."""
        if trainer.global_rank == 1 and trainer.current_epoch == 1 and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def trained(folder, **how):
    """Three epochs of 53 samples, whose last batch of five is shared three to two."""
    generator = torch.Generator().manual_seed(0)
    shared = torch.randn(73, 3, generator=generator)
    values = {name: (shared + 0.3 * torch.randn(73, 3, generator=generator)).clamp(-4, 4) for name in MODALITIES}
    train = Samples(MODALITIES, {name: value[:53] for name, value in values.items()})
    validation = Samples(MODALITIES, {name: value[53:] for name, value in values.items()})
    chosen = make_settings("gmc", "smoke", centre=False, latent_dim=4, common_dim=4, head_widths=(4,))
    representation = build("gmc", MODALITIES, chosen, make_networks("gmc"), seed=0)
    settings = PretrainSettings(epochs=3, batch_size=12, warmup_steps=0, device="cpu", threads=1, precision="32")
    return pretrain(representation, train, validation, settings, folder, **how)


def table(folder):
    """Every loss of ``metrics.csv``."""
    with (folder / "metrics.csv").open() as file:
        return [[float(row[name]) for name in row if "total" in name] for row in csv.DictReader(file)]


def test_two_processes_train_what_one_trains_also_after_one_was_killed(tmp_path, monkeypatch):
    alone = trained(tmp_path / "alone")
    for name, value in LEFT_OVER.items():
        monkeypatch.setenv(name, value)
    kill = Kill(tmp_path / "killed")
    with pytest.raises(RuntimeError, match="Process 2 of the 2 that train together was killed by signal 9"):
        trained(tmp_path / "two", devices=2, callbacks=[kill])
    assert kill.mark.exists()
    assert len(table(tmp_path / "two")) == 1
    two = trained(tmp_path / "two", devices=2, callbacks=[kill], resume=True)
    assert [row["step"] for row in two.history] == [row["step"] for row in alone.history]
    torch.testing.assert_close(table(tmp_path / "two"), table(tmp_path / "alone"), rtol=1e-4, atol=1e-6)
    for name, weight in alone.representation.state_dict().items():
        torch.testing.assert_close(two.representation.state_dict()[name], weight, rtol=1e-3, atol=1e-5)
    files = {path.relative_to(tmp_path / "two").parts[0] for path in (tmp_path / "two").rglob("*")}
    assert files == {"checkpoints", "metrics.csv", "representation", "tensorboard"}
    assert len(list((tmp_path / "two" / "tensorboard").iterdir())) == 2  # One for each time.


def test_pretrain_on_two_devices_is_quiet_and_leaves_one_run(tmp_path):
    command = [sys.executable, "-m", "anysense", "pretrain", "--preset", "smoke", "--samples", "200", "--epochs", "1"]
    options = ["--devices", "2", "--device", "cpu", "--batch-size", "64", "--out", str(tmp_path), "--name", "two"]
    environment = {**os.environ, **LEFT_OVER}
    done = subprocess.run([*command, *options], check=False, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Pretraining gmc for 1 epochs on 2 processes (cpu)" in done.stderr
    assert "arning" not in done.stderr
    assert "deprecated" not in done.stderr
    assert [path.name for path in (tmp_path / "pretrain").iterdir()] == ["two"]
    assert load_file(tmp_path / "pretrain" / "two" / "representation" / "representation.safetensors")
    assert json.loads((tmp_path / "pretrain" / "two" / "run.json").read_text())["settings"]["devices"] == 2

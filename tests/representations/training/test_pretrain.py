"""Pretraining: what it learns, which epoch it keeps, and what it leaves behind."""

import csv
import dataclasses
import signal
import sys

import numpy as np
import pytest
import torch

from anysense.envs.world import world
from anysense.representations.files import load_representation
from anysense.representations.training import (
    measure,
    pretrain,
)
from tests.representations.training.quick_runs import (
    QUICK,
    Stop,
    Worsen,
    assert_equal_weights,
    new_representation,
)


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


def test_the_world_is_stored_with_the_representation(data, tmp_path):
    result = pretrain(new_representation(), *data, dataclasses.replace(QUICK, epochs=1), tmp_path)
    assert result.representation.world == world().to_json() == data[0].world
    assert load_representation(tmp_path / "representation").world == world().to_json()

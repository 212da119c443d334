import io
import json
import sys
import types
import wave

import numpy as np
import pytest
import torch
from PIL import Image

from anysense.runs.cli import main
from anysense.runs.commands import data
from anysense.runs.commands.data_show import wav_bytes
from tests.digit_files import write_digits


def write_mhd(folder, count=20):
    folder.mkdir(parents=True)
    content = (
        torch.arange(count) % 10,
        torch.rand(count, 1, 28, 28),
        torch.rand(count, 200),
        torch.rand(count, 4, 32, 32),
        {"min": -1.0, "max": 1.0},
        {"min": -80.0, "max": 0.0},
    )
    for name in ("mhd_train.pt", "mhd_test.pt"):
        torch.save(content, folder / name)
    return folder


def test_help_lists_every_part(capsys):
    assert main(["data"]) == 0
    shown = capsys.readouterr().out
    assert all(
        part in shown for part in ("digits", "mfeat", "mhd", "mhd-offline", "mosei", "mosi", "mosei-offline", "show")
    )


def test_unknown_part(capsys):
    assert main(["data", "mdh"]) == 2
    error = capsys.readouterr().err
    assert "`data` must be one of 'digits', 'mfeat', 'mhd', 'mhd-offline'" in error
    assert "Did you mean 'mhd'?" in error


def test_a_part_comes_from_the_module_that_is_named(monkeypatch):
    called = []
    module = types.ModuleType("some_parts")
    module.PARTS = {"other": called.append}
    monkeypatch.setitem(sys.modules, "some_parts", module)
    monkeypatch.setattr(data, "PARTS", {"other": ("some_parts", "another part")})
    data.main(["other", "--seed", "1"])
    assert called == [["--seed", "1"]]


def test_mhd_checks_files_that_are_there(tmp_path, capsys):
    folder = write_mhd(tmp_path / "mhd")
    assert main(["data", "mhd", "--folder", str(folder)]) == 0
    assert "20 samples to train on, 20 to test on" in capsys.readouterr().out


def test_mhd_says_what_to_do_without_gdown(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "gdown", None)
    assert main(["data", "mhd", "--folder", str(tmp_path)]) == 2
    assert "pip install 'anysense[data]'" in capsys.readouterr().err


def test_mhd_offline_is_made_and_kept(tmp_path, capsys):
    arguments = ["data", "mhd-offline", "--train", "20", "--test", "10", "--seed", "3", "--folder", str(tmp_path)]
    assert main(arguments) == 0
    first = capsys.readouterr().out
    assert "train: 20 samples, checksum" in first
    assert len(list(tmp_path.iterdir())) == 1
    assert main(arguments) == 0
    assert capsys.readouterr().out == first


def test_mhd_offline_bad_size(capsys):
    assert main(["data", "mhd-offline", "--train", "3"]) == 2
    assert "`train` must be a whole number of at least 10" in capsys.readouterr().err


@pytest.mark.parametrize("dataset", ["digits", "mhd", "mhd-offline"])
def test_show_draws_samples_and_writes_sounds(dataset, tmp_path, capsys):
    places = ["--out", str(tmp_path / "out"), "--name", "a", "--folder", str(tmp_path / "data")]
    if dataset == "mhd":
        write_mhd(tmp_path / "data")
    if dataset == "digits":
        write_digits(tmp_path / "data")
    sizes = ["--train", "20", "--test", "20", "--per-class", "1"]
    assert main(["data", "show", dataset, *places, *sizes]) == 0
    folder = tmp_path / "out" / "data" / "show" / "a"
    assert str(folder / "figures" / "samples.png") in capsys.readouterr().out
    with Image.open(folder / "figures" / "samples.png") as image:
        assert image.width > image.height > 100
        assert len(np.unique(np.asarray(image.convert("L")))) > 50
    sounds = sorted(path.name for path in (folder / "sounds").iterdir())
    assert sounds == [f"{digit:03d}-digit-{digit}.wav" for digit in range(10)]
    with wave.open(str(folder / "sounds" / sounds[0])) as file:
        rate = 8_000 if dataset == "digits" else 16_000
        assert file.getparams()[:4] == (1, 2, rate, rate)
        assert np.abs(np.frombuffer(file.readframes(rate), dtype="<i2")).max() > 20_000
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["command_line"].startswith(f"anysense data show {dataset}")


def test_show_errors(tmp_path, capsys):
    assert main(["data", "show"]) == 0
    shown = capsys.readouterr().out
    assert "usage: anysense data show {digits,mhd,mhd-offline}" in shown
    assert "--per-class" in shown
    assert main(["data", "show", "mhd-ofline"]) == 2
    assert "Did you mean 'mhd-offline'?" in capsys.readouterr().err
    assert main(["data", "show", "mhd", "--folder", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "mhd_train.pt` does not exist" in capsys.readouterr().err
    assert main(["data", "show", "mhd", "--per-class", "0"]) == 2
    assert "`per_class` expected 1 to 20, got 0" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_wav_holds_the_waveform():
    waveform = np.array([0.0, 0.5, -1.0, 2.0], dtype=np.float32)
    with wave.open(io.BytesIO(wav_bytes(waveform, 8_000))) as file:
        assert file.getframerate() == 8_000
        assert np.frombuffer(file.readframes(4), dtype="<i2").tolist() == [0, 16384, -32767, 32767]

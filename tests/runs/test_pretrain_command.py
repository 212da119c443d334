import json

import pytest

from anysense.representations.files import load_representation
from anysense.runs.cli import main
from anysense.runs.commands.pretrain import PretrainCommand, read

TINY = ["--preset", "smoke", "--samples", "200"]


def pretrain(out, *options):
    return main(["pretrain", "--out", str(out), *options])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    assert pretrain(out, *TINY, "--name", "a", "--save-data") == 0
    return out


def test_presets_choose_values_and_options_override_them():
    paper = read(["--preset", "paper", "--temperature", "0.5"])
    assert (paper.representation.temperature, paper.training.epochs) == (0.5, 500)
    assert (paper.world.physics, paper.world.antialias, paper.world.initial_steps) == ("gym-0.19", False, 1)
    assert read([]) == PretrainCommand.of("default")
    assert read(["--preset=smoke"]).preset == "smoke"


def test_unknown_method(capsys, tmp_path):
    assert pretrain(tmp_path, "--method", "gmcc") == 2
    said = capsys.readouterr().err
    assert "`method` must be one of 'gmc', 'gram', 'mfm'" in said
    assert "got 'gmcc'. Did you mean 'gmc'?" in said
    assert "transformer" not in said


def test_run_folder(finished):
    folder = finished / "pretrain" / "a"
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["settings"]["collection"]["samples"] == 200
    assert load_representation(folder / "representation").method == "gmc"
    assert (folder / "metrics.csv").read_text().count("\n") == 1 + record["settings"]["training"]["epochs"]
    assert list((folder / "tensorboard").iterdir())


def test_existing_name_is_refused_and_kept(finished, capsys):
    before = (finished / "pretrain" / "a" / "run.json").read_bytes()
    assert pretrain(finished, *TINY, "--name", "a") == 2
    assert "exists already. Continue it with --resume" in capsys.readouterr().err
    assert (finished / "pretrain" / "a" / "run.json").read_bytes() == before


def test_data_can_be_given(finished, tmp_path):
    data = finished / "pretrain" / "a" / "transitions.npz"
    assert pretrain(tmp_path, *TINY, "--name", "b", "--data", str(data)) == 0
    weights = "representation/representation.safetensors"
    same = [
        (out / name / weights).read_bytes()
        for out, name in ((finished / "pretrain", "a"), (tmp_path / "pretrain", "b"))
    ]
    assert same[0] == same[1]


def test_data_must_be_of_the_same_world(finished, tmp_path, capsys):
    data = finished / "pretrain" / "a" / "transitions.npz"
    assert pretrain(tmp_path, *TINY, "--data", str(data), "--physics", "gym-0.19") == 2
    assert "was collected with physics 'gymnasium' (asked for 'gym-0.19')" in capsys.readouterr().err


def test_data_must_be_readable(tmp_path, capsys):
    (tmp_path / "bad.npz").write_bytes(b"PK not really")
    assert pretrain(tmp_path, *TINY, "--name", "b", "--data", str(tmp_path / "bad.npz")) == 2
    assert "bad.npz" in capsys.readouterr().err
    assert json.loads((tmp_path / "pretrain" / "b" / "run.json").read_text())["status"] == "failed"


def test_resume_goes_on_with_the_stored_settings(tmp_path, monkeypatch, capsys):
    from anysense.representations.training.module import PretrainingModule

    assert pretrain(tmp_path, *TINY, "--name", "whole") == 0
    step = PretrainingModule.training_step

    def killed(self, batch, batch_idx):
        if self.current_epoch == 1:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(PretrainingModule, "training_step", killed)
        assert pretrain(tmp_path, *TINY, "--name", "cut") == 130
    record = json.loads((tmp_path / "pretrain" / "cut" / "run.json").read_text())
    assert record["status"] == "interrupted"
    assert pretrain(tmp_path, "--resume", "--temperature", "0.9") == 2
    assert "(representation.temperature: 0.3 -> 0.9). Leave these options out" in capsys.readouterr().err
    assert pretrain(tmp_path, "--resume") == 0
    weights = [
        tmp_path / "pretrain" / name / "representation" / "representation.safetensors" for name in ("whole", "cut")
    ]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_nothing_to_resume(tmp_path, capsys):
    assert pretrain(tmp_path, "--resume") == 2
    assert "`--resume` found no unfinished run" in capsys.readouterr().err
    assert pretrain(tmp_path, "--resume", "--name", "x") == 2
    assert "is not a folder; expected a run folder" in capsys.readouterr().err

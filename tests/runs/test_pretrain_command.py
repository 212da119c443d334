import json
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from anysense.envs.world import world
from anysense.representations.data import Transitions
from anysense.representations.files import load_representation
from anysense.representations.methods.catalogue import METHODS
from anysense.representations.methods.gmc import GMC, GMCSettings
from anysense.representations.training.callbacks import ShowProgress
from anysense.representations.training.module import PretrainingModule
from anysense.runs.cli import main
from anysense.runs.commands.pretrain import PretrainCommand, read

TINY = ["--preset", "smoke", "--samples", "200"]
WEIGHTS = "representation/representation.safetensors"


def pretrain(out, *options):
    return main(["pretrain", "--out", str(out), *options])


def test_presets_choose_values_and_options_override_them():
    paper = read(["--preset", "paper", "--temperature", "0.5", "--image-channels", "3", "4"])
    assert (paper.representation.temperature, paper.training.epochs) == (0.5, 500)
    assert (paper.world.physics, paper.world.antialias, paper.world.initial_steps) == ("gym-0.19", False, 1)
    assert (paper.architecture.image_encoder, paper.architecture.image_channels) == ("convolution", (3, 4))
    assert read([]) == PretrainCommand.of("default", "gmc", world())
    assert read(["--preset=smoke"]).preset == "smoke"


def test_options_follow_method_networks_and_environment():
    muse = read(["--method", "muse", "--networks", "generic"])
    assert type(muse.representation).__name__ == "MUSESettings"
    assert muse.made_networks().name == "generic"
    given = ("antialias=false", "frame_stack=3")
    assert read(["--env-option", *given]).env_option == given


def test_a_setting_with_the_name_of_another_option_is_named(monkeypatch, refused):
    @dataclass(frozen=True)
    class TimedSettings(GMCSettings):
        epochs: int = 3
        """Epochs of something."""

    kind = type("Timed", (GMC,), {"method": "timed", "settings_class": TimedSettings})
    monkeypatch.setitem(METHODS._registered, "timed", kind)
    assert "`epochs` is a setting of TimedSettings and of Training; `anysense pretrain` offers both" in (
        refused("pretrain", "--method", "timed")
    )


def test_help_names_what_can_be_chosen(capsys):
    assert main(["pretrain", "--help"]) == 0
    text = capsys.readouterr().out
    assert "--method {gmc,gram,mfm,mvae,mmvae,muse,nexus,symile,triangle,mopoe,mvtcae,workspace}" in text
    assert "--networks {pendulum,mhd,generic,sentiment,hyperhot}" in text


def test_run_folder(trained):
    folder = trained / "pretrain" / "a"
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["settings"]["collection"]["samples"] == 300
    representation = load_representation(folder / "representation")
    assert representation.method == "gmc"
    assert representation.world == world(options=record["settings"]["world"]).to_json()
    assert (folder / "metrics.csv").read_text().count("\n") == 1 + record["settings"]["training"]["epochs"]
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    assert len(events.Scalars("train/total")) == record["settings"]["training"]["epochs"]
    assert "validation/total" in events.Tags()["scalars"]
    assert b'"name": "gmc"' in events.Tensors("settings/text_summary")[0].tensor_proto.string_val[0]
    assert len(Transitions.load(folder / "transitions.npz")) == 300


def test_a_logger_goes_on_where_a_run_was_cut(tmp_path, monkeypatch):
    def numbers(name):
        lines = (tmp_path / "pretrain" / name / "csv" / "numbers.csv").read_text().splitlines()
        return [line for line in lines if "second" not in line]

    whole = ["--preset", "smoke", "--samples", "200", "--out", str(tmp_path), "--logger", "csv"]
    assert main(["pretrain", *whole, "--name", "whole"]) == 0
    with monkeypatch.context() as patch:

        def killed(self, trainer, module):
            if trainer.current_epoch == 1:
                raise KeyboardInterrupt

        patch.setattr(ShowProgress, "on_train_epoch_end", killed)
        assert main(["pretrain", *whole, "--name", "cut"]) == 130
    assert main(["pretrain", "--out", str(tmp_path), "--resume"]) == 0
    assert numbers("cut") == numbers("whole")
    assert {line.split(",")[1] for line in numbers("cut")} >= {"train/total", "validation/total", "epoch"}


def test_a_logger_without_its_package_is_named_before_anything_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "mlflow", None)  # as if it were not installed
    assert pretrain(tmp_path, "--preset", "smoke", "--logger", "mlflow") == 2
    message = "`--logger mlflow` needs mlflow, which is not installed: pip install 'anysense[mlflow]'"
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_existing_name_is_refused_and_kept(trained, refused):
    before = (trained / "pretrain" / "a" / "run.json").read_bytes()
    assert "exists already. Continue it with --resume" in refused("pretrain", *TINY, "--out", trained, "--name", "a")
    assert (trained / "pretrain" / "a" / "run.json").read_bytes() == before


def test_data_can_be_given(trained, tmp_path):
    data = trained / "pretrain" / "a" / "transitions.npz"
    assert pretrain(tmp_path, "--preset", "smoke", "--name", "b", "--data", str(data)) == 0
    same = [out / "pretrain" / name / WEIGHTS for out, name in ((trained, "a"), (tmp_path, "b"))]
    assert same[0].read_bytes() == same[1].read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "gmcc"], "got 'gmcc'. Did you mean 'gmc'?"),
        (
            ["--method", "transformer"],
            "`method` must be one of 'gmc', 'gram', 'mfm', 'mvae', 'mmvae', 'muse', 'nexus', 'symile', "
            "'triangle', 'mopoe', 'mvtcae', 'workspace'",
        ),
        (["--networks", "genric"], "Did you mean 'generic'?"),
        (["--networks", "mhd"], "has no encoder in the networks 'mhd'"),
        (["--env", "anysense/MultimodalPendulm-v0"], "Did you mean 'anysense/MultimodalPendulum-v0'?"),
        (["--env", "CartPole-v1"], "CartPole-v1"),
        (["--env-option", "physics"], "`env-option` must be written key=value"),
        (["--env-option", "physic=gymnasium"], "Did you mean 'physics'?"),
        (["--policy", "coverge"], "Did you mean 'coverage'?"),
        (["--samples", "0"], "`samples` must be"),
        (["--samples", "1"], "`samples` must be 2 or more"),
        (["--validation-fraction", "1.5"], "`validation_fraction` must lie between 0 and 1, got 1.5."),
        (["--epochs", "0"], "`epochs` must be at least 1"),
        (["--latent-dim", "0"], "`latent_dim` must be positive; got 0."),
        (["--data", "nowhere.npz"], "`nowhere.npz` does not exist"),
        (["--data", "damaged.npz"], "damaged.npz` is damaged or not a file of recorded transitions"),
        (["--resume"], "`--resume` found no unfinished run"),
        (["--resume", "--name", "x"], "is not a folder; expected a run folder"),
    ],
)
def test_wrong_input_leaves_nothing(options, message, tmp_path, monkeypatch, refused):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "damaged.npz").write_bytes(b"PK not really")
    assert message in refused("pretrain", *TINY, *options)
    assert [path.name for path in tmp_path.iterdir()] == ["damaged.npz"]


def test_data_must_be_of_the_same_world(trained, tmp_path, refused):
    data = trained / "pretrain" / "a" / "transitions.npz"
    message = refused("pretrain", *TINY, "--out", tmp_path, "--data", data, "--physics", "gym-0.19")
    assert "'physics': 'gymnasium'" in message
    assert "asked for was {'id': 'anysense/MultimodalPendulum-v0'" in message
    assert not list(tmp_path.iterdir())


def test_resume_goes_on_with_the_stored_settings(tmp_path, monkeypatch, refused):
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
    message = refused("pretrain", "--out", tmp_path, "--resume", "--temperature", "0.9")
    assert "(representation.temperature: 0.3 -> 0.9). Leave these options out" in message
    assert pretrain(tmp_path, "--resume") == 0
    whole, cut = (tmp_path / "pretrain" / name for name in ("whole", "cut"))
    assert (whole / WEIGHTS).read_bytes() == (cut / WEIGHTS).read_bytes()
    losses = [np.genfromtxt(run / "metrics.csv", delimiter=",", names=True)["validationtotal"] for run in (whole, cut)]
    np.testing.assert_array_equal(*losses)


def test_variables_of_launchers_change_nothing(tmp_path, shell):
    """Left over from a job, they would tell Lightning that this is one process of several, or not the first one."""
    left = {
        "SLURM_NTASKS": "2", "SLURM_PROCID": "1", "SLURM_LOCALID": "1", "SLURM_NODEID": "1", "SLURM_JOB_NAME": "job",
        "LOCAL_RANK": "1", "RANK": "1", "WORLD_SIZE": "2", "NODE_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2",
        "TORCHELASTIC_RUN_ID": "x", "GROUP_RANK": "1", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "nowhere.invalid",
    }  # fmt: skip
    assert pretrain(tmp_path, *TINY, "--name", "usual") == 0
    command = ["pretrain", *TINY, "--out", tmp_path, "--name", "left"]
    shell(tmp_path, "-m", "anysense.runs.cli", *command, environment=left)
    usual, other = (tmp_path / "pretrain" / name for name in ("usual", "left"))
    assert (usual / WEIGHTS).read_bytes() == (other / WEIGHTS).read_bytes()
    written = [sorted(path.name.split(".")[0] for path in run.rglob("*")) for run in (usual, other)]
    assert written[0] == written[1]

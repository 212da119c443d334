import json

import pytest

from anysense.agents import training
from anysense.agents.checkpoint import CHECKPOINT
from anysense.agents.training import TrainSettings, train
from anysense.common.checkpoints import read_checkpoint, write_checkpoint
from anysense.common.errors import FileFormatError
from tests.common.test_checkpoints import assert_equal

SMALL = {
    "sac": {
        "total_steps": 96,
        "n_envs": 2,
        "learning_starts": 16,
        "batch_size": 8,
        "buffer_size": 60,
        "gradient_steps": 1,
    },
    "ppo": {"total_steps": 128, "n_envs": 2, "n_steps": 16, "batch_size": 16},
    "ddpg": {"total_steps": 64, "n_envs": 2, "learning_starts": 16, "batch_size": 8, "buffer_size": 40},
    "tqc": {"total_steps": 64, "n_envs": 2, "learning_starts": 16, "batch_size": 8, "buffer_size": 60},
}


class Killed(BaseException):
    """Stands for a kill."""


def small(name, representation_folder, every, **more):
    overrides = {**SMALL[name], **more.pop("overrides", {})}
    return TrainSettings(
        representation=representation_folder,
        algorithm=name,
        preset=more.pop("preset", "smoke"),
        overrides=overrides,
        eval_every=every,
        eval_episodes=2,
        eval_steps=5,
        **more,
    )


def killed_after(monkeypatch, saves):
    """Kill the training right after a number of checkpoints, in the middle of everything else."""
    save, count = training.write_checkpoint, []

    def save_then_die(*arguments):
        save(*arguments)
        count.append(1)
        if len(count) == saves:
            raise Killed

    monkeypatch.setattr(training, "write_checkpoint", save_then_die)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("sac", {}),
        ("sac", {"missing": 0.4, "encode": "in-policy"}),
        ("ppo", {}),
        ("tqc", {"overrides": {"final_learning_rate": 1e-5, "weight_average": 0.9, "noise_scale": 0.2}}),
        ("ddpg", {"preset": "paper"}),
        ("ddpg", {"overrides": {"noise": "ornstein-uhlenbeck", "noise_frames": 100}}),
    ],
)
def test_killed_and_resumed_is_as_if_never_killed(name, more, representation_folder, tmp_path, monkeypatch):
    wanted = small(name, representation_folder, SMALL[name]["total_steps"] // 2, **more)
    whole = train(wanted, tmp_path / "whole")
    with monkeypatch.context() as patch:
        killed_after(patch, 1)
        with pytest.raises(Killed):
            train(wanted, tmp_path / "killed")
    resumed = train(wanted, tmp_path / "killed", resume=True)
    ends = [read_checkpoint(folder / CHECKPOINT) for folder in (tmp_path / "whole", tmp_path / "killed")]
    assert_equal(*ends)
    assert [point.score for point in resumed.curve] == [point.score for point in whole.curve]
    for agent in ("agent", "last_agent"):
        files = [tmp_path / run / agent / "policy.safetensors" for run in ("whole", "killed")]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_a_longer_total_goes_on_from_the_end(representation_folder, tmp_path):
    long = small("sac", representation_folder, 48)
    half = small("sac", representation_folder, 48, overrides={"total_steps": 48})
    train(long, tmp_path / "long")
    train(half, tmp_path / "half")
    train(long, tmp_path / "half", resume=True)
    states = [read_checkpoint(tmp_path / run / CHECKPOINT)["model"] for run in ("long", "half")]
    assert_equal(*states)


def test_resume_of_a_finished_training_changes_nothing(representation_folder, tmp_path):
    wanted = small("sac", representation_folder, 48)
    first = train(wanted, tmp_path)
    again = train(wanted, tmp_path, resume=True)
    assert first.curve == again.curve
    assert first.best == again.best


def test_resume_without_a_checkpoint_starts(representation_folder, tmp_path):
    assert train(small("ppo", representation_folder, 64), tmp_path, resume=True).curve[-1].steps == 128


class TestResumeErrors:
    def test_other_settings(self, representation_folder, tmp_path):
        train(small("ppo", representation_folder, 64), tmp_path)
        with pytest.raises(ValueError, match=r"`settings` differ.*seed: 0 then, 1 now"):
            train(small("ppo", representation_folder, 64, seed=1), tmp_path, resume=True)

    def test_folder_in_use(self, representation_folder, tmp_path):
        train(small("ppo", representation_folder, 64), tmp_path)
        with pytest.raises(ValueError, match=r"holds a training; go on with `resume=True`"):
            train(small("ppo", representation_folder, 64), tmp_path)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda state: state.pop("model"), r"is not a checkpoint of a training: the content lacks \['model'\]"),
            (lambda state: state["training"].update(curve=[]), "its learning curve is empty"),
            (lambda state: state["training"]["curve"][0].pop("steps"), "does not fit the training: .*'steps'"),
            (lambda state: state["model"]["attributes"].update(num_timesteps=-(10**9)), "`model.attributes.num_times"),
            (lambda state: state["model"]["replay"].update(pos=10**9), "at place 1000000000 of a replay memory of 30"),
            (lambda state: state["model"]["parameters"].pop("policy"), "of a model with other networks"),
            (lambda state: state["model"].update(environment={"x": 1}), "does not fit the training"),
        ],
    )
    def test_what_does_not_fit_is_refused_by_name(self, change, message, finished, representation_folder, tmp_path):
        state = read_checkpoint(finished / CHECKPOINT)
        change(state)
        write_checkpoint(tmp_path / CHECKPOINT, state)
        with pytest.raises(FileFormatError, match=rf"`.*checkpoints/last\.ckpt` .*{message}"):
            train(small("sac", representation_folder, 96), tmp_path, resume=True)

    def test_one_of_an_earlier_release(self, representation_folder, tmp_path):
        (tmp_path / "checkpoints").mkdir()
        (tmp_path / "checkpoints" / "last.json").write_text(json.dumps({"format": "anysense-checkpoint"}))
        with pytest.raises(FileFormatError, match=r"last\.json` is not a checkpoint of this release"):
            train(small("sac", representation_folder, 48), tmp_path, resume=True)


@pytest.fixture(scope="module")
def finished(representation_folder, tmp_path_factory):
    """Folder of a training that has come to its end."""
    folder = tmp_path_factory.mktemp("finished")
    train(small("sac", representation_folder, 96), folder)
    return folder

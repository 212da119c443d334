import json
import tempfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from anysense.agents import checkpoint, training
from anysense.agents.checkpoint import has_checkpoint, load_checkpoint, save_checkpoint
from anysense.agents.training import TrainSettings, train

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


def through_a_file(value):
    """What comes back of a value that is saved and loaded as a checkpoint is."""
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(folder, {"value": value}, 1)
        return load_checkpoint(folder)["value"]


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


def assert_equal(first, second, where=""):
    """Nested states are equal to the last bit, times apart."""
    assert type(first) is type(second), where
    if isinstance(first, dict):
        assert first.keys() == second.keys(), where
        for key in first:
            if "seconds" not in str(key) and key != "t":
                assert_equal(first[key], second[key], f"{where}/{key}")
    elif isinstance(first, list | tuple):
        assert len(first) == len(second), where
        for index, pair in enumerate(zip(first, second, strict=True)):
            assert_equal(*pair, f"{where}/{index}")
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), where
    elif isinstance(first, np.ndarray):
        np.testing.assert_array_equal(first, second, err_msg=where)
    else:
        assert first == second, where


def killed_after(monkeypatch, saves):
    """Kill the training right after a number of checkpoints, in the middle of everything else."""
    save, count = training.save_checkpoint, []

    def save_then_die(*arguments):
        save(*arguments)
        count.append(1)
        if len(count) == saves:
            raise Killed

    monkeypatch.setattr(training, "save_checkpoint", save_then_die)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("sac", {}),
        ("sac", {"missing": 0.4, "encode": "in-policy"}),
        ("ppo", {}),
        ("tqc", {"overrides": {"final_learning_rate": 1e-5}}),
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
    ends = [load_checkpoint(folder / "checkpoints") for folder in (tmp_path / "whole", tmp_path / "killed")]
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
    states = [load_checkpoint(tmp_path / run / "checkpoints")["model"] for run in ("long", "half")]
    assert_equal(*states)


def test_resume_of_a_finished_training_changes_nothing(representation_folder, tmp_path):
    wanted = small("sac", representation_folder, 48)
    first = train(wanted, tmp_path)
    again = train(wanted, tmp_path, resume=True)
    assert first.curve == again.curve
    assert first.best == again.best


def test_resume_without_a_checkpoint_starts(representation_folder, tmp_path):
    assert train(small("ppo", representation_folder, 64), tmp_path, resume=True).curve[-1].steps == 128


@settings(max_examples=40, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**140), 2**140)
        | st.floats(allow_nan=False)
        | st.text(max_size=5)
        | arrays.arrays(
            st.sampled_from([np.uint8, np.float32, np.float64, np.int64, np.uint64, np.bool_]),
            arrays.array_shapes(min_dims=0, max_dims=2, max_side=3, min_side=0),
            elements={"allow_nan": False},
        ),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3)
            | st.tuples(inner)
        ),
        max_leaves=6,
    )
)
def test_a_file_loses_nothing(value):
    assert_equal(through_a_file(value), value)


class TestFiles:
    STATE = {"weights": torch.arange(4.0), "steps": 3, "generator": {"state": 2**100}, "array": np.arange(3)}  # noqa: RUF012

    def test_round_trip_keeps_one_file(self, tmp_path):
        save_checkpoint(tmp_path, {"old": 1}, 10)
        save_checkpoint(tmp_path, self.STATE, 20)
        assert_equal(load_checkpoint(tmp_path), self.STATE)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["last.json", "step_000000020.pt"]

    @pytest.mark.parametrize("function", ["replace_file", "sha256_of", "write_json"])
    def test_a_kill_while_writing_leaves_the_previous_one(self, function, tmp_path, monkeypatch):
        save_checkpoint(tmp_path, self.STATE, 10)

        def killed(*_):
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(checkpoint, function, killed)
            with pytest.raises(Killed):
                save_checkpoint(tmp_path, {"new": 1}, 20)
        assert_equal(load_checkpoint(tmp_path), self.STATE)

    def test_a_kill_inside_torch_save_leaves_no_debris(self, tmp_path, monkeypatch):
        def half(_, file):
            file.write(b"half")
            raise Killed

        monkeypatch.setattr(torch, "save", half)
        with pytest.raises(Killed):
            save_checkpoint(tmp_path, self.STATE, 10)
        assert not has_checkpoint(tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_none(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"last.json` does not exist; expected the folder of a checkpoint"):
            load_checkpoint(tmp_path)

    def test_truncated(self, tmp_path):
        save_checkpoint(tmp_path, self.STATE, 10)
        path = tmp_path / "step_000000010.pt"
        path.write_bytes(path.read_bytes()[:-5])
        with pytest.raises(ValueError, match="is truncated or altered"):
            load_checkpoint(tmp_path)

    def test_missing_data(self, tmp_path):
        save_checkpoint(tmp_path, self.STATE, 10)
        (tmp_path / "step_000000010.pt").unlink()
        with pytest.raises(FileNotFoundError, match=r"step_000000010.pt` is missing, but last.json names it"):
            load_checkpoint(tmp_path)

    def test_another_version(self, tmp_path):
        save_checkpoint(tmp_path, self.STATE, 10)
        path = tmp_path / "last.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": 0}))
        with pytest.raises(ValueError, match="has format version 0; this release of anysense reads version 2"):
            load_checkpoint(tmp_path)


class TestResumeErrors:
    def test_other_settings(self, representation_folder, tmp_path):
        train(small("ppo", representation_folder, 64), tmp_path)
        with pytest.raises(ValueError, match=r"`settings` differ.*seed: 0 then, 1 now"):
            train(small("ppo", representation_folder, 64, seed=1), tmp_path, resume=True)

    def test_folder_in_use(self, representation_folder, tmp_path):
        train(small("ppo", representation_folder, 64), tmp_path)
        with pytest.raises(ValueError, match=r"holds a training; go on with `resume=True`"):
            train(small("ppo", representation_folder, 64), tmp_path)

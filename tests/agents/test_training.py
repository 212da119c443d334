import csv
import json
import random

import numpy as np
import pytest
import torch

from anysense.agents.algorithms.catalogue import ALGORITHMS
from anysense.agents.callbacks import CurvePoint
from anysense.agents.environments import TrainingEnvironment, environment_seed
from anysense.agents.evaluation import EvaluationEpisodes, evaluate
from anysense.agents.exported import Agent
from anysense.agents.frozen import FrozenEncoder
from anysense.agents.training import EVALUATION_SEED, TrainSettings, train
from anysense.envs import world
from anysense.envs.pendulum.world import PendulumWorld

REPLAY = {
    "total_steps": 64,
    "n_envs": 2,
    "learning_starts": 16,
    "batch_size": 8,
    "buffer_size": 60,
    "gradient_steps": 1,
}
ROLLOUT = {"total_steps": 64, "n_envs": 2, "n_steps": 16}
SMALL = {name: REPLAY for name in ALGORITHMS.names()} | {"ppo": {**ROLLOUT, "batch_size": 16}, "a2c": ROLLOUT}
STEPS = 6


def small(representation_folder, name="ppo", **more):
    return TrainSettings(
        representation=representation_folder,
        algorithm=name,
        preset=more.pop("preset", "smoke"),
        overrides={**SMALL[name], **more.pop("overrides", {})},
        eval_every=more.pop("eval_every", 32),
        eval_episodes=3,
        eval_steps=STEPS,
        **more,
    )


@pytest.mark.parametrize("name", [name for name in ALGORITHMS.names() if name not in ("dqn", "qrdqn")])
def test_every_algorithm_trains_and_leaves_an_agent(name, representation_folder, tmp_path):
    result = train(small(representation_folder, name), tmp_path)
    assert [point.steps for point in result.curve] == [32, 64]
    assert result.best.score == max(point.score for point in result.curve)
    agent = Agent.load(result.agent)
    episodes = EvaluationEpisodes.of(agent.world, 3, STEPS, EVALUATION_SEED)
    results = evaluate(agent, agent.world, agent.trained_with, episodes)
    assert results.average_reward.mean() == pytest.approx(result.best.score, rel=1e-6)
    assert agent.facts == {"seed": 0, "steps": result.best.steps, "score": result.best.score}
    assert Agent.load(result.last_agent).facts["steps"] == 64
    assert list((tmp_path / "tensorboard").iterdir())


def test_tensorboard_has_settings_returns_of_episodes_and_losses(representation_folder, tmp_path):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(small(representation_folder, "sac", overrides={"episode_steps": 5}), tmp_path)
    events = accumulators.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert {"rollout/ep_rew_mean", "eval/score", "train/actor_loss"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("rollout/ep_rew_mean")] == [32, 64]
    (text,) = events.Tensors("settings/text_summary")[0].tensor_proto.string_val
    settings = json.loads(text.decode().removeprefix("```json").removesuffix("```"))
    assert (settings["algorithm"], settings["agent"]["batch_size"], settings["total_steps"]) == ("sac", 8, 64)


def test_every_logger_takes_the_same_numbers_and_changes_nothing(representation_folder, tmp_path):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    settings = small(representation_folder, "sac", overrides={"episode_steps": 5})
    results = [train(settings, tmp_path / name, logger=name) for name in ("tensorboard", "csv")]
    weights = [(result.last_agent / "policy.safetensors").read_bytes() for result in results]
    assert weights[0] == weights[1]
    with (tmp_path / "csv" / "csv" / "numbers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    events = accumulators.EventAccumulator(str(tmp_path / "tensorboard" / "tensorboard")).Reload()
    assert {row["name"] for row in rows} == set(events.Tags()["scalars"])
    scores = [(int(row["step"]), float(row["value"])) for row in rows if row["name"] == "eval/score"]
    assert scores == [(point.steps, point.score) for point in results[1].curve]
    logged = json.loads((tmp_path / "csv" / "csv" / "settings.json").read_text())
    assert (logged["algorithm"], logged["total_steps"]) == ("sac", 64)


def test_learning_curve_file(representation_folder, tmp_path):
    result = train(small(representation_folder), tmp_path)
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["steps"]) for row in rows] == [32, 64]
    for row, point in zip(rows, result.curve, strict=True):
        assert float(row["score"]) == point.score
        spent = [float(row[f"{stage}_seconds"]) for stage in ("env", "encode", "learn", "evaluate")]
        assert all(seconds > 0 for seconds in spent)
        assert sum(spent) <= float(row["wall_seconds"]) + 0.01


def test_the_same_seed_gives_the_same_agent_and_another_one_another(representation_folder, tmp_path):
    weights = []
    for run, seed in enumerate((0, 0, 1)):
        train(small(representation_folder, "sac", seed=seed), tmp_path / str(run))
        weights.append((tmp_path / str(run) / "last_agent" / "policy.safetensors").read_bytes())
    assert weights[0] == weights[1] != weights[2]


def test_how_often_is_evaluated_does_not_change_what_is_learned(representation_folder, tmp_path):
    for every in (16, 64):
        train(small(representation_folder, "sac", eval_every=every), tmp_path / str(every))
    files = [tmp_path / str(every) / "last_agent" / "policy.safetensors" for every in (16, 64)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_global_generators_and_threads_are_left_alone(representation_folder, tmp_path):
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    before = torch.get_num_threads()
    train(small(representation_folder, threads=before + 1, overrides={"total_steps": 32}), tmp_path)
    assert random.getstate() == states[0]
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[2])
    assert torch.get_num_threads() == before


def test_sound_only(representation_folder, tmp_path):
    result = train(small(representation_folder, "sac", modalities=("sound",)), tmp_path)
    assert Agent.load(result.agent).trained_with == ("sound",)


def test_training_with_missing_modalities_differs(representation_folder, tmp_path):
    for missing in (0.0, 0.5):
        train(small(representation_folder, "sac", missing=missing), tmp_path / str(missing))
    files = [tmp_path / str(missing) / "last_agent" / "policy.safetensors" for missing in (0.0, 0.5)]
    assert files[0].read_bytes() != files[1].read_bytes()


def test_in_policy_encoding_learns_the_same(representation_folder, tmp_path):
    rewards = []
    for encode in ("once", "in-policy"):
        result = train(small(representation_folder, "sac", encode=encode, device="cpu"), tmp_path / encode)
        rewards.append([point.score for point in result.curve])
    np.testing.assert_allclose(*rewards, atol=1e-4)


def test_as_published(representation_folder, tmp_path):
    settings = small(
        representation_folder,
        "ddpg",
        preset="paper",
        world=world(options=PendulumWorld.option_presets["paper"]),
    )
    agent = Agent.load(train(settings, tmp_path).agent)
    assert not agent.actor.spec.action_scaling
    assert settings.agent_settings().time_limit == "terminal"
    assert agent.world.to_json()["options"] == {"physics": "gym-0.19", "antialias": False, "initial_steps": 1}


def test_the_time_limit_is_bootstrapped_unless_terminal(representation_folder):
    for terminal in (False, True):
        layers = TrainingEnvironment.make(
            world(), 2, ("sound",), encoder=FrozenEncoder(representation_folder), terminal_time_limit=terminal
        )
        layers.venv.reset()
        infos = [layers.venv.step(np.zeros((2, 1), np.float32))[3] for _ in range(300)]
        assert not any(infos[:-1][0])
        assert infos[-1][0]["terminal_observation"].shape == (8,)
        assert infos[-1][0].get("TimeLimit.truncated", False) != terminal


def test_rewards_are_scaled_for_the_agent_only(representation_folder):
    encoder = FrozenEncoder(representation_folder)
    rewards = []
    for scale in (1.0, 0.25):
        layers = TrainingEnvironment.make(world(), 2, ("sound",), encoder=encoder, reward_scale=scale)
        layers.venv.seed(0)
        layers.venv.reset()
        steps = [layers.venv.step(np.zeros((2, 1), np.float32)) for _ in range(300)]
        rewards.append(np.array([step[1] for step in steps]))
        assert [info["episode"]["r"] for info in steps[-1][3]] == pytest.approx(rewards[0].sum(axis=0), rel=1e-4)
    np.testing.assert_allclose(rewards[1], 0.25 * rewards[0], rtol=1e-6)


def test_training_episodes_have_the_length_of_the_settings(representation_folder):
    encoder = FrozenEncoder(representation_folder)
    layers = TrainingEnvironment.make(world(), 2, ("sound",), encoder=encoder, episode_steps=7)
    layers.venv.reset()
    steps = [layers.venv.step(np.zeros((2, 1), np.float32)) for _ in range(14)]
    assert [step[2].tolist() for step in steps] == ([[False] * 2] * 6 + [[True] * 2]) * 2
    assert all(info["TimeLimit.truncated"] for info in steps[6][3])


def test_each_evaluation_is_told(representation_folder, tmp_path):
    told = []
    result = train(small(representation_folder), tmp_path, on_evaluation=told.append)
    assert len(told) > 0
    assert tuple(told) == result.curve


def test_training_seeds_share_no_environment_seed():
    firsts = np.array([environment_seed(seed) for seed in range(200)])
    gaps = np.diff(np.sort(firsts))
    assert gaps.min() > 64


def test_nothing_is_shown_where_there_is_no_terminal(representation_folder, tmp_path, capfd):
    train(small(representation_folder), tmp_path)
    assert capfd.readouterr() == ("", "")


def test_curve_points_hold_plain_values(representation_folder, tmp_path):
    for point in train(small(representation_folder), tmp_path).curve:
        assert isinstance(point, CurvePoint)
        assert isinstance(point.best, bool)


class TestErrors:
    @pytest.mark.parametrize(
        ("more", "message"),
        [
            ({"algorithm": "dqm"}, "`algorithm` must be one of 'ppo'"),
            ({"algorithm": "dqn"}, "`algorithm` 'dqn' needs actions of the kind Discrete"),
            ({"preset": "fast"}, "`preset` must be one of 'smoke', 'default', 'paper'; got 'fast'"),
            ({"overrides": {"gama": 1}}, "got 'gama'. Did you mean 'gamma'"),
            ({"encode": "twice"}, "`encode` must be one of 'once', 'in-policy'; got 'twice'"),
            ({"overrides": {"time_limit": "none"}}, "`time_limit` must be one of 'truncated', 'terminal'; got 'none'"),
            ({"missing": 1.0}, r"`missing` must lie in \[0, 1\), got 1.0"),
            ({"seed": -1}, "`seed` must be at least 0, got -1"),
            ({"eval_every": 0}, "`eval_every` must be a whole number of at least 1, got 0"),
            ({"eval_episodes": 0}, "`eval_episodes` must be a whole number of at least 1, got 0"),
            ({"threads": 0}, "`threads` must be a whole number of at least 1, got 0"),
            (
                {"algorithm": "ddpg", "overrides": {"action_doubling": True}},
                "`action_doubling=True` has an effect only with the published form of ddpg",
            ),
            (
                {"algorithm": "ddpg", "overrides": {"noise_frames": 5}},
                "`noise_frames=5` has an effect only with Ornstein-Uhlenbeck noise",
            ),
        ],
    )
    def test_wrong_setting(self, tmp_path, more, message):
        with pytest.raises(ValueError, match=message):
            TrainSettings(representation=tmp_path, **more)

    def test_missing_representation(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            train(TrainSettings(representation=tmp_path / "nowhere"), tmp_path / "run")

    def test_unknown_modality(self, representation_folder, tmp_path):
        with pytest.raises(ValueError, match=r"`modalities` must be one of 'image', 'sound'; got 'smell'"):
            train(small(representation_folder, modalities=("smell",)), tmp_path)

    def test_other_receivers_than_in_pretraining(self, representation_folder, tmp_path):
        with pytest.raises(ValueError, match=r"`observation_space\['sound'\]` must be a Box of shape \(2, 3, 2\)"):
            train(small(representation_folder, world=world(options={"receivers": ("left_top",)})), tmp_path)

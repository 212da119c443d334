"""Training and evaluation in worlds of which nothing is known but their spaces."""

import gymnasium as gym
import numpy as np
import pytest

from anysense.agents import training
from anysense.agents.actor import Actor
from anysense.agents.algorithms.catalogue import build_model, check_actions, make_agent_settings
from anysense.agents.checkpoint import checkpoint_file
from anysense.agents.environments import TrainingEnvironment
from anysense.agents.evaluation import EvaluationEpisodes, evaluate
from anysense.agents.exported import Agent
from anysense.agents.frozen import FrozenEncoder
from anysense.agents.training import TrainSettings, train
from anysense.common.randomness import forked_generators
from anysense.envs import world
from anysense.representations import build, modalities_from_space, save_representation

ID = "test/Reach-v0"
ACTIONS = {
    "table": gym.spaces.Box(-1.0, 1.0, (2, 3), np.float32),
    "choice": gym.spaces.Discrete(3),
    "choices": gym.spaces.MultiDiscrete([2, 3]),
    "endless": gym.spaces.Box(-np.inf, np.inf, (2,), np.float32),
}


class Reach(gym.Env):
    """A point that actions move; seen as coordinates and as an image of their size, and ended at random."""

    observation_space = gym.spaces.Dict(
        {"near": gym.spaces.Box(-5, 5, (3,), np.float64), "far": gym.spaces.Box(0, 255, (2, 8, 8), np.uint8)}
    )

    def __init__(self, actions="table"):
        self.action_space = ACTIONS[actions]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.np_random.normal(size=3)
        return self._observation(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.place = np.clip(self.place + 0.1 * np.mean(action), -5, 5)
        return self._observation(), -float(np.abs(self.place).sum()), bool(self.np_random.random() < 0.05), False, {}

    def _observation(self):
        return {"near": self.place, "far": np.full((2, 8, 8), 25 * (self.place[0] + 5), np.uint8)}


@pytest.fixture(autouse=True)
def _registered():
    gym.register(ID, entry_point=Reach, max_episode_steps=12)
    yield
    gym.registry.pop(ID)


@pytest.fixture
def folder(tmp_path):
    space = world(ID).observation_space
    save_representation(build("gmc", modalities_from_space(space)), tmp_path / "representation")
    return tmp_path / "representation"


def settings_of(folder, algorithm="ppo", actions="table", **more):
    overrides = {"total_steps": 64, "n_envs": 2, **({"n_steps": 16, "batch_size": 16} if algorithm == "ppo" else {})}
    if algorithm != "ppo":
        overrides |= {"learning_starts": 16, "batch_size": 8, "buffer_size": 60, "gradient_steps": 1}
    return TrainSettings(
        representation=folder,
        world=world(ID, {"actions": actions}),
        algorithm=algorithm,
        preset="smoke",
        overrides=overrides,
        eval_every=32,
        eval_episodes=3,
        **more,
    )


@pytest.mark.parametrize(
    ("algorithm", "more"), [("ppo", {"missing": 0.3}), ("sac", {}), ("ddpg", {}), ("ppo", {"encode": "in-policy"})]
)
def test_an_agent_with_actions_of_two_axes_is_trained_and_evaluated(algorithm, more, folder, tmp_path):
    result = train(settings_of(folder, algorithm, **more), tmp_path / "run")
    agent = Agent.load(result.agent)
    assert agent.world == world(ID, {"actions": "table"})
    space = agent.world.observation_space
    batch = {name: np.stack([space[name].sample() for _ in range(4)]) for name in ("near", "far")}
    assert agent.act(batch).shape == (4, 2, 3)
    single = agent.act({name: value[0] for name, value in batch.items()})
    np.testing.assert_allclose(single, agent.act(batch)[0], atol=1e-5)
    for modalities in (("near", "far"), ("far",)):
        episodes = EvaluationEpisodes.of(agent.world, 6, None, 0)
        assert episodes.steps == EvaluationEpisodes.of(agent.world, 6, 100, 0).steps == 12
        results = evaluate(agent, agent.world, modalities, episodes)
        assert results.lengths.max() <= 12 < results.lengths.sum()
    assert result.best.score == max(point.score for point in result.curve)


def test_without_exact_states_a_resumed_training_starts_again_and_ends_the_same(folder, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(self, point):
        raise Killed

    whole = train(settings_of(folder), tmp_path / "whole")
    assert checkpoint_file(tmp_path / "whole") is None
    with monkeypatch.context() as patch:
        patch.setattr(training._Training, "_keep_best", killed)
        with pytest.raises(Killed):
            train(settings_of(folder), tmp_path / "killed")
    resumed = train(settings_of(folder), tmp_path / "killed", resume=True)
    assert [point.score for point in resumed.curve] == [point.score for point in whole.curve]
    files = [result.last_agent / "policy.safetensors" for result in (whole, resumed)]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("actions", ["choice", "choices"])
def test_discrete_actions_reach_the_environment(actions, folder):
    """They are learned with latents; one choice is exported, several are refused by name."""
    known, encoder = world(ID, {"actions": actions}), FrozenEncoder(folder)
    with forked_generators():
        layers = TrainingEnvironment.make(known, 2, ("near", "far"), encoder=encoder, missing=0.4)
        settings = make_agent_settings("ppo", "smoke", known, n_envs=2, n_steps=16, batch_size=16)
        model = build_model("ppo", settings, layers.venv, 0).learn(32)
    assert model.num_timesteps == 32
    assert layers.latent is not None
    assert layers.signal.seconds > 0
    if actions == "choice":
        assert Actor.from_model(model).spec.choices == 3
        return
    with pytest.raises(TypeError, match=r"`model` is a PPO with MultiDiscrete\(.*\) actions; only agents with Box"):
        Actor.from_model(model)


class TestErrors:
    def test_actions_that_cannot_be_exported_are_refused_before_training(self, folder, tmp_path):
        with pytest.raises(TypeError, match=r"PPO with MultiDiscrete\(.*\) actions"):
            train(settings_of(folder, actions="choices"), tmp_path / "run")
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize("algorithm", ["sac", "td3", "ddpg", "tqc"])
    def test_algorithm_and_actions_do_not_fit(self, algorithm, folder):
        message = rf"`algorithm` '{algorithm}' needs actions of the kind Box; .* Discrete\(3\): use one of 'ppo', 'a2c'"
        with pytest.raises(ValueError, match=message):
            settings_of(folder, algorithm, "choice")

    def test_nobody_can_act(self):
        with pytest.raises(ValueError, match=r"the actions are Text\(.*\): wrap the environment"):
            check_actions("ppo", gym.spaces.Text(3))

    def test_actions_without_limits(self, folder):
        with pytest.raises(ValueError, match=r"the actions Box\(-inf, inf, \(2,\), float32\) must have finite limits"):
            settings_of(folder, actions="endless")

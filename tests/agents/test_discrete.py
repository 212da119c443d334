"""DQN and QR-DQN on the latents of Hyperhot: trained, resumed to the same bits, exported; refused with Box actions."""

import pytest
import torch

from anysense.agents import training
from anysense.agents.checkpoint import CHECKPOINT
from anysense.agents.exported import Agent
from anysense.agents.training import TrainSettings, train
from anysense.common.checkpoints import read_checkpoint
from anysense.envs import world
from anysense.representations import build, make_networks, make_settings, modalities_from_space, save_representation
from tests.common.test_checkpoints import assert_equal

WORLD = world("anysense/Hyperhot-v0")
SMALL = {
    "total_steps": 96, "n_envs": 2, "learning_starts": 16, "batch_size": 8, "buffer_size": 60, "gradient_steps": 1,
    "target_update_interval": 20, "exploration_fraction": 0.9,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A saved, untrained GMC."""
    path = tmp_path_factory.mktemp("hyperhot")
    settings, networks = (make("gmc", "smoke", benchmark="hyperhot") for make in (make_settings, make_networks))
    found = build("gmc", modalities_from_space(WORLD.observation_space), settings, networks, seed=7)
    save_representation(found, path)
    return path


def small(folder, name, known=WORLD):
    evaluation = {"eval_every": 48, "eval_episodes": 2, "eval_steps": 5}
    return TrainSettings(
        representation=folder, world=known, algorithm=name, preset="smoke", overrides=SMALL, **evaluation
    )


@pytest.mark.parametrize("name", ["dqn", "qrdqn"])
def test_killed_and_resumed_is_as_if_never_killed_and_the_agent_is_greedy(name, folder, tmp_path, monkeypatch):
    wanted = small(folder, name)
    train(wanted, tmp_path / "whole")
    save = training.write_checkpoint

    def save_then_die(*arguments):
        save(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "write_checkpoint", save_then_die)
        with pytest.raises(KeyboardInterrupt):
            train(wanted, tmp_path / "killed")
    result = train(wanted, tmp_path / "killed", resume=True)
    ends = [read_checkpoint(tmp_path / run / CHECKPOINT) for run in ("whole", "killed")]
    assert ends[0]["model"]["attributes"]["_n_calls"] == 48
    assert_equal(*ends)
    agent, observation = Agent.load(result.last_agent), WORLD.make_vec(40, episode_steps=None).reset(seed=0)[0]
    actions = agent.act(observation)
    assert set(actions.tolist()) <= set(range(6))
    assert (agent.act(observation, deterministic=False, generator=torch.Generator()) == actions).all()


@pytest.mark.parametrize("name", ["dqn", "qrdqn"])
def test_box_actions_are_refused(name, representation_folder):
    message = rf"`algorithm` '{name}' needs actions of the kind Discrete; the actions are Box\(.*\): use one of 'ppo'"
    with pytest.raises(ValueError, match=message):
        small(representation_folder, name, world())

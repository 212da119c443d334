"""Which agent acts, and where it can."""

import gymnasium as gym
import numpy as np
import pytest

from anysense.agents.exported import Agent
from anysense.agents.pretrained import pretrained_agent, pretrained_names
from anysense.envs import DEFAULT_WORLD
from anysense.envs.pendulum.world import PendulumWorld
from anysense.runs.playing import finding
from anysense.runs.playing.finding import check_agent, find_player

NAME = pretrained_names()[0]


class Discrete(PendulumWorld):
    """With actions of another kind."""

    action_space = gym.spaces.Discrete(3)


class Wider(PendulumWorld):
    """With another shape of actions."""

    action_space = gym.spaces.Box(-2, 2, (2,), np.float32)


def test_the_newest_training_is_taken_where_it_was_in_the_world_that_is_asked_for(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(finding, "newest_run", lambda out, commands: object())
    monkeypatch.setattr(finding, "find_agent", lambda path, out, named: pretrained_agent(NAME))
    for env in (None, DEFAULT_WORLD):
        assert find_player(None, None, tmp_path, env) == pretrained_agent(NAME)
    assert capsys.readouterr().err == ""
    assert find_player(None, None, tmp_path, "anysense/Hyperhot-v0") is None
    assert f"It was trained in {DEFAULT_WORLD}: in anysense/Hyperhot-v0 you act by hand." in capsys.readouterr().err
    assert find_player(None, NAME, tmp_path, "anysense/Hyperhot-v0") == pretrained_agent(NAME)  # loading it will tell


def test_an_agent_of_the_package_acts_where_nothing_was_named_and_trained(tmp_path, capsys):
    assert find_player(None, None, tmp_path, None) == pretrained_agent(NAME)
    assert f"the agent {NAME} that comes along acts." in capsys.readouterr().err
    assert find_player(None, None, tmp_path, DEFAULT_WORLD) is None
    assert f"in {DEFAULT_WORLD} you act by hand." in capsys.readouterr().err
    assert find_player(None, NAME, tmp_path, None) == pretrained_agent(NAME)


def test_nothing_is_said_of_trainings_to_someone_who_asked_to_drive(tmp_path, capsys):
    assert find_player(None, None, tmp_path, DEFAULT_WORLD, by_hand=True) is None
    assert capsys.readouterr().err == ""


def test_an_agent_acts_only_where_its_actions_are_taken():
    agent = Agent.load(pretrained_agent(NAME))
    check_agent(agent, agent.world)
    for other, taken in ((Discrete, "Discrete"), (Wider, "Box")):
        message = rf"cannot act in {DEFAULT_WORLD}: it gives actions of shape \(1,\), and {taken}"
        with pytest.raises(ValueError, match=message):
            check_agent(agent, other(DEFAULT_WORLD))
    with pytest.raises(ValueError, match=r"cannot act in .*: `observation_space\['image'\]` must be a Box of shape"):
        check_agent(agent, PendulumWorld(DEFAULT_WORLD, {"frame_stack": 3}))

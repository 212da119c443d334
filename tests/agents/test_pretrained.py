"""Agents that come with the package: small, whole, good at what they are for, and known by name."""

import json

import pytest

from anysense.agents.evaluation import EvaluationEpisodes, evaluate
from anysense.agents.exported import Agent
from anysense.agents.pretrained import PLACE, pretrained_agent, pretrained_names
from anysense.runs.locate import find_agent, lineage_of


def test_the_pendulum_comes_along():
    assert "pendulum" in pretrained_names()


@pytest.mark.parametrize("name", pretrained_names())
def test_each_is_small_and_has_the_record_of_its_training(name):
    files = [path for path in (PLACE / name).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 3_000_000
    assert {path.suffix for path in files} == {".json", ".csv", ".safetensors"}
    (record,) = lineage_of(pretrained_agent(name))
    assert (record["command"], record["status"]) == ("demo", "finished")
    agent = Agent.load(pretrained_agent(name))
    assert agent.facts["seed"] == record["seed"]
    for key, value in dict(entry.split("=") for entry in record["settings"]["env_option"]).items():
        assert agent.world.options[key] == value


@pytest.mark.parametrize("name", pretrained_names())
def test_each_swings_up_on_sound_alone(name):
    """Far above no torque (-6.1) and at most 0.15 below the optimum of the same starts."""
    agent = Agent.load(pretrained_agent(name))
    episodes = EvaluationEpisodes.of(agent.world, 16, 200, 0)
    reached = evaluate(agent, agent.world, episodes=episodes, modalities=("sound",)).score(agent.world).mean()
    optimal = agent.world.references(episodes.starts, episodes.steps, 0, {}, None)["optimal"].mean() / episodes.steps
    assert optimal - 0.15 < reached < 0


def test_names_are_checked(tmp_path):
    with pytest.raises(
        ValueError, match=r"`agent` must be one of 'pendulum'.*; got 'pendulun'\. Did you mean 'pendulum'"
    ):
        pretrained_agent("pendulun")
    with pytest.raises(ValueError, match="Give one of the two"):
        find_agent(tmp_path, tmp_path, "pendulum")
    with pytest.raises(FileNotFoundError, match="or an agent that comes along: --agent pendulum"):
        find_agent(None, tmp_path)
    assert find_agent(None, tmp_path, "pendulum") == pretrained_agent("pendulum")
    assert json.loads((pretrained_agent("pendulum").parent / "run.json").read_text())["format"] == "anysense run"

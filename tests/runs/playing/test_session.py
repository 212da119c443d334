"""A game without a window: who acts, what the agent gets, when time passes, and how it ends."""

from pathlib import Path

import numpy as np
import pytest

from anysense.agents.exported import Agent
from anysense.agents.pretrained import pretrained_agent, pretrained_names
from anysense.envs import MissingModalities, world
from anysense.runs.playing.hands import hand_of
from anysense.runs.playing.session import SHOWN_TICKS, SPEEDS, Limits, Session, facts


@pytest.fixture(scope="module")
def agent():
    return Agent.load(pretrained_agent(pretrained_names()[0]))


class Spy:
    """An agent that keeps what it is given."""

    def __init__(self, agent: Agent) -> None:
        self._agent, self.encoder, self.seen = agent, agent.encoder, []

    def act(self, observation):
        self.seen.append(dict(observation))
        return self._agent.act(observation)


def session_of(agent=None, limits=None, given=None, env=None):
    known = world()
    hand = hand_of(known.action_space, known.guide.actions, known.guide.steering)
    env = env or known.make(render_mode="rgb_array")
    return Session(env, known.modalities, hand, agent, given, 4, limits or Limits(300))


def test_the_agent_gets_exactly_what_is_on(agent):
    spy = Spy(agent)
    session = session_of(spy)
    given = []
    for toggled in (None, 0, 1, 0, 1, None):
        if toggled is not None:
            session.toggle_modality(toggled)
        given.append(session.given)
        before = {name: session.observation[name].copy() for name in session.given}
        session.tick(())
        assert spy.seen[-1].keys() == before.keys()
        np.testing.assert_array_equal(session.action, agent.act(before))
    assert given == [("image", "sound"), ("sound",), ("sound",), ("image", "sound"), ("image",), ("image",)]


def test_switching_changes_the_latent_at_once(agent):
    session = session_of(agent)
    for given in (("image", "sound"), ("sound",)):
        batch = {name: session.observation[name][None] for name in given}
        np.testing.assert_array_equal(session.latent, agent.encoder.encode_arrays(batch)[0])
        session.toggle_modality(0)


def test_one_modality_stays_on_and_it_is_said():
    session = session_of(given=("sound",))
    session.toggle_modality(1)
    assert session.given == ("sound",)
    assert session.message == "sound stays on: at least one modality must be on."
    session.toggle_modality(4)
    assert session.message == "There is no modality 5."
    with pytest.raises(ValueError, match="modalities"):
        session_of(given=("smell",))


def test_flags_of_the_environment_are_handed_on_for_what_is_on(agent):
    env = MissingModalities(world().make(), {"image": 1.0})
    session = session_of(agent, env=env)
    assert session.present == ("sound",)
    flags = session.perceived["present"].tolist()
    assert flags == [0, 1]  # in the order image, sound
    alone = agent.encoder.encode_arrays({"sound": session.observation["sound"][None]})[0]
    np.testing.assert_array_equal(session.latent, alone)
    session.toggle_modality(0)
    assert session.perceived["present"].tolist() == [1]
    session.tick(())
    np.testing.assert_allclose(
        session.latent, agent.encoder.encode_arrays({"sound": session.observation["sound"][None]})[0]
    )


def test_the_hand_drives_the_world_as_its_torque_would():
    session, twin = session_of(), world().make()
    twin.reset(seed=4)
    for held, torque in ((("right",), -0.4), (("right",), -0.8), ((), 0.0), (("left",), 0.4)):
        session.tick(held)
        *_, info = twin.step(np.array([torque], np.float32))
        np.testing.assert_array_equal(session.info["state"], info["state"])
    assert session.totals.summary().startswith("0 episodes ended, 4 steps (4 by hand, 0 by the agent), average reward")


def test_hand_and_agent_change_places(agent):
    session = session_of(agent)
    session.tick(())
    session.set_acting("hand")
    session.tick(("left",))
    assert session.action == pytest.approx(0.4)
    session.set_acting("agent")
    session.tick(("left",))
    assert (session.totals.by_agent, session.totals.steps) == (2, 3)
    alone = session_of()
    alone.set_acting("agent")
    assert alone.acting == "hand"
    assert "There is no agent" in alone.message


def test_a_pause_stops_time_and_single_steps_go_on():
    session = session_of()
    session.toggle_pause()
    before = session.info["state"]
    assert not any(session.tick(("left",)) for _ in range(5))
    np.testing.assert_array_equal(session.info["state"], before)
    session.single_step(())
    assert (session.step, session.paused) == (1, True)
    session.toggle_pause()
    assert session.tick(())
    session.single_step(())
    assert (session.step, session.paused) == (3, True)


def test_a_restart_is_a_new_episode_that_did_not_end():
    session = session_of()
    session.tick(())
    first = session.info["state"]
    session.restart()
    assert (session.step, session.episode_return, session.totals.episodes, session.totals.steps) == (0, 0, 0, 1)
    assert facts(session)["episode"] == "2"
    assert session.totals.summary().startswith("0 episodes ended (1 restarted), 1 step ")
    assert (session.info["state"] != first).any()


def test_the_end_of_an_episode_is_shown_and_a_new_one_starts():
    session = session_of(limits=Limits(episode_steps=3, episodes=2))
    rewards = []
    for _ in range(3):
        session.tick(())
        rewards.append(session.reward)
    assert session.ending == f"Episode over: time is up - return {sum(rewards):.2f}"
    assert facts(session)["average reward"] == f"{sum(rewards) / 3:.3f}"
    assert facts(session)["episode"] == "1"
    assert not any(session.tick(()) for _ in range(SHOWN_TICKS))
    assert (session.ending, session.step, session.totals.episodes) == ("", 0, 1)
    for _ in range(3 + SHOWN_TICKS):
        session.tick(())
    assert session.finished
    assert (session.totals.episodes, session.totals.steps) == (2, 6)


def test_steps_end_the_game():
    session = session_of(limits=Limits(300, steps=2))
    ticks = [session.tick(()) for _ in range(4)]
    assert (ticks, session.finished) == ([True, True, False, False], True)


def test_speed_goes_in_steps_and_stops_at_the_ends():
    session = session_of()
    for by, last in ((1, SPEEDS[-1]), (-1, SPEEDS[0])):
        for _ in range(len(SPEEDS) + 1):
            session.change_speed(by)
        assert session.speed == last


def test_the_session_knows_no_window():
    text = Path(Session.__init__.__code__.co_filename).read_text()
    assert "pygame" not in text

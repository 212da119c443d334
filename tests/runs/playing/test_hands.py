"""What keys do, for every kind of actions."""

import gymnasium as gym
import numpy as np
import pytest

from anysense.envs import world
from anysense.envs.hyperhot.rules import ACTIONS
from anysense.runs.playing.hands import RAMP, hand_of

BOX = gym.spaces.Box


def test_a_key_that_is_held_grows_to_the_end_of_the_range_and_rests_when_let_go():
    hand = hand_of(BOX(-2, 2, (1,), np.float32))
    pushed = [hand.action({"right"}) for _ in range(RAMP + 2)]
    np.testing.assert_allclose(np.ravel(pushed), [*(2 * (n + 1) / RAMP for n in range(RAMP)), 2, 2], rtol=1e-6)
    assert hand.action(()) == hand.action({"left", "right"}) == 0
    assert hand.action({"left"}) == pytest.approx(-2 / RAMP)
    assert hand.action({"right"}) == pytest.approx(2 / RAMP)  # a turn starts anew
    hand.action({"right"})
    hand.rest()
    action = hand.action({"right"})
    assert action == pytest.approx(2 / RAMP)
    assert (action.shape, action.dtype) == ((1,), np.float32)


def test_right_turns_the_pendulum_clockwise_and_left_the_other_way():
    known = world()
    hand = hand_of(known.action_space, known.guide.actions, known.guide.steering)
    assert hand.explained() == ["left / right: torque +2 / -2, the longer the stronger"]
    for key, direction in (("right", -1), ("left", 1)):
        env = known.make()
        env.reset(options={"state": [0.0, 0.0]})  # upright and still
        *_, info = env.step(hand.action({key}))
        assert np.sign(info["state"][1]) == direction


def test_up_drives_the_second_number_and_others_rest():
    hand = hand_of(BOX(np.array([-1, 0, 2]), np.array([1, 4, 6]), dtype=np.float64))
    for _ in range(RAMP):
        action = hand.action({"left", "up"})
    np.testing.assert_allclose(action, [-1, 4, 2])  # the third one as near to 0 as it may be
    assert "others" not in hand.explained()[0]
    assert hand.explained()[-1] == "the other 1 numbers stay at rest"


def test_numbers_without_bounds_go_to_one():
    hand = hand_of(BOX(-np.inf, np.inf, (2,), np.float32))
    for _ in range(RAMP):
        action = hand.action({"right", "down"})
    np.testing.assert_allclose(action, [1, -1])


@pytest.mark.parametrize(
    ("held", "action"),
    [
        ((), "noop"),
        (("left",), "left"),
        (("right",), "right"),
        (("space",), "shoot"),
        (("left", "space"), "shoot_left"),
        (("right", "space"), "shoot_right"),
        (("up", "left"), "left"),
    ],
)
def test_names_of_discrete_actions_tell_their_keys(held, action):
    known = world("anysense/Hyperhot-v0")
    hand = hand_of(known.action_space, known.guide.actions)
    chosen = hand.action(held)
    assert ACTIONS[chosen] == action
    assert chosen in known.action_space
    assert hand.named(chosen) == f"{chosen} ({action})"
    assert "left+space: shoot_left" in " ".join(hand.explained())
    assert hand.explained()[0].split("     ")[:4] == ["no key: noop", "left", "right", "space: shoot"]
    assert hand.uses_space


@pytest.mark.parametrize(
    ("count", "actions"),
    [
        (2, {(): 0, ("left",): 0, ("right",): 1}),
        (3, {(): 1, ("left",): 0, ("right",): 2}),
        (4, {(): 0, ("left",): 1, ("right",): 2, ("up",): 3, ("down",): 0}),
        (18, {("right", "space"): 11, ("up", "space"): 12, ("down", "space"): 13}),
    ],
)
def test_discrete_actions_without_names_have_keys_in_order(count, actions):
    hand = hand_of(gym.spaces.Discrete(count, start=5))
    assert {keys: hand.action(keys) - 5 for keys in actions} == actions
    assert hand.uses_space == (count > 5)
    assert ("4 more actions have no key" in " ".join(hand.explained())) == (count == 18)


def test_names_that_do_not_tell_different_keys_are_only_shown():
    hand = hand_of(gym.spaces.Discrete(2), ("wait", "go"))
    assert hand.action({"right"}) == 1
    assert "right: go" in " ".join(hand.explained())


@pytest.mark.parametrize("space", [gym.spaces.MultiDiscrete([2, 2]), BOX(0, 9, (2,), np.int64)])
def test_other_actions_are_refused(space):
    with pytest.raises(ValueError, match="to be driven by keys"):
        hand_of(space)

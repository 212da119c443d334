"""Hyperhot as environments and as a world."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.env_checker import check_env as check_env_of_sb3

from anysense.envs import HyperhotEnv, HyperhotVectorEnv, world
from anysense.envs.hyperhot.acoustics import loudest
from anysense.envs.hyperhot.rules import RECEIVERS, Rules
from anysense.representations.data import collect

ID = "anysense/Hyperhot-v0"


@pytest.mark.parametrize(
    "options",
    [{}, {"legacy": True, "picture": "published", "sound": "waveform"}, {"picture": "screen", "enemies": 1}],
)
@pytest.mark.filterwarnings("ignore:.*image:UserWarning")
def test_checkers_are_content(options):
    check_env(gym.make(ID, **options).unwrapped, skip_render_check=True)
    check_env_of_sb3(gym.make(ID, **options).unwrapped)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("picture", ["grey", "published", "screen"])
def test_observations_stay_in_their_space(legacy, picture):
    for sound in ("tones", "waveform"):
        venv = HyperhotVectorEnv(6, ("image", "sound"), RECEIVERS, 2, 4, picture, sound, False, legacy)
        observation, _ = venv.reset(seed=0)
        rng = np.random.default_rng(0)
        for _ in range(40):
            assert observation in venv.observation_space
            observation = venv.step(rng.integers(6, size=6))[0]


def test_loudest_is_what_the_description_says():
    """Ship bullets at receivers on the ship: at most 0.7371 beside it, 0.8608 above it."""
    high = loudest(Rules(), RECEIVERS)
    expected = {"left_ship": 0.7371, "right_ship": 0.7371, "center_ship": 0.7789, "top_ship": 0.8608}
    for name, value in expected.items():
        assert high[RECEIVERS.index(name), -1] == pytest.approx(value, abs=1e-4)
    assert high[RECEIVERS.index("left_bottom"), -1] == pytest.approx(0.3873, abs=1e-4)


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_vector_form_is_the_single_form(mode):
    count, rng = 3, np.random.default_rng(1)
    venv = HyperhotVectorEnv(count, max_episode_steps=40, autoreset_mode=mode)
    singles = [gym.wrappers.TimeLimit(HyperhotEnv(), 40) for _ in range(count)]
    together, _ = venv.reset(seed=7)
    apart = [env.reset(seed=7 + row)[0] for row, env in enumerate(singles)]
    ended = np.zeros(count, bool)
    for _ in range(90):
        if mode is AutoresetMode.DISABLED and ended.any():
            together, _ = venv.reset(options={"reset_mask": ended})
            apart = [env.reset()[0] if ended[row] else apart[row] for row, env in enumerate(singles)]
        actions = rng.integers(6, size=count)
        restarting = ended if mode is AutoresetMode.NEXT_STEP else np.zeros(count, bool)
        together, rewards, terminated, truncated, info = venv.step(actions)
        for row, env in enumerate(singles):
            if restarting[row]:
                apart[row], expected = env.reset()[0], (0.0, False, False)
            else:
                apart[row], *rest, _ = env.step(actions[row])
                expected = tuple(rest)
                if mode is AutoresetMode.SAME_STEP and (rest[1] or rest[2]):
                    for name, value in info["final_obs"][row].items():
                        np.testing.assert_array_equal(value, apart[row][name])
                    apart[row] = env.reset()[0]
            assert (rewards[row], terminated[row], truncated[row]) == expected
            for name, value in apart[row].items():
                np.testing.assert_array_equal(together[name][row], value)
        ended = terminated | truncated


def test_state_is_restored_to_the_bit():
    first, second = HyperhotVectorEnv(3), HyperhotVectorEnv(3)
    first.reset(seed=1)
    actions = np.random.default_rng(0).integers(6, size=(60, 3))
    for step in range(20):
        first.step(actions[step])
    restored = second.load_state_dict(first.state_dict())
    for step in range(20, 60):
        ours, theirs = first.step(actions[step]), second.step(actions[step])
        np.testing.assert_array_equal(ours[0]["image"], theirs[0]["image"])
        np.testing.assert_array_equal(ours[0]["sound"], theirs[0]["sound"])
        np.testing.assert_array_equal(ours[1], theirs[1])
    assert restored["image"].shape == (3, 2, 105, 80)


def test_bad_states_are_refused_and_change_nothing():
    venv, twin = HyperhotVectorEnv(2), HyperhotVectorEnv(2)
    venv.reset(seed=0), twin.reset(seed=0)
    state = venv.state_dict()
    for name, value in (("ship_x", np.array([80, 999])), ("shot_y", state["shot_y"] + 500)):
        with pytest.raises(ValueError, match=rf"`state\['{name}'\]` must lie in"):
            venv.load_state_dict(state | {name: value})
    with pytest.raises(ValueError, match=r"`state\['bullet'\]` must be bool \(2,\).*got float64"):
        venv.load_state_dict(state | {"bullet": np.zeros(2)})
    with pytest.raises(ValueError, match=r"`state` lacks \['streams'\]"):
        venv.load_state_dict({name: value for name, value in state.items() if name != "streams"})
    with pytest.raises(ValueError, match=r"`state\['elapsed_steps'\]` must not be negative"):
        venv.load_state_dict(state | {"elapsed_steps": np.array([0, -1])})
    for name, own in twin.state_dict().items():
        np.testing.assert_array_equal(venv.state_dict()[name], own)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"enemies": 5}, "`enemies` must"),
        ({"enemies": 0}, "`enemies` must"),
        ({"frame_stack": 10**12}, "`frame_stack` must"),
        ({"picture": "gray"}, "Did you mean 'grey'"),
        ({"sound": "mel"}, "`sound` must be one of"),
        ({"receivers": ("left",)}, "`receivers` must be one of"),
        ({"enemys": 4}, "Did you mean 'enemies'"),
        ({"legacy": "yes"}, "`legacy` must"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    for make in (HyperhotEnv, HyperhotVectorEnv):
        with pytest.raises((ValueError, TypeError), match=message):
            make(**arguments)


@pytest.mark.parametrize("action", [6, -1, 1.0, np.nan, "left", [1], None])
def test_bad_actions_are_refused(action):
    env = HyperhotEnv(modalities=("sound",))
    env.reset(seed=0)
    with pytest.raises(ValueError, match="`action` must"):
        env.step(action)


@pytest.mark.parametrize("start", [[80, 0, 1], [5, 1, 1], [80, 1, -1], [80, 1, 0.5], [np.nan, 1, 1], [80, 1]])
def test_bad_starts_are_refused(start):
    with pytest.raises(ValueError, match=r"`options\['start'\]` must"):
        HyperhotEnv(modalities=("sound",)).reset(options={"start": start})


def test_references_know_the_game():
    hyperhot = world(ID)
    starts = hyperhot.start_states(40, 0)
    assert (starts == hyperhot.start_states(60, 0)[:40]).all()
    returns = hyperhot.references(starts, 450, 0, {}, None)
    assert returns["scripted"][0].mean() > 9
    assert returns["random"][0].mean() < 1
    assert returns["scripted"][1].max() < 450


def test_pictures_show_the_objects():
    env = gym.make(ID, render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().shape == (210, 160, 3)
    grey = env.unwrapped._observe()["image"][-1]
    colours = env.render()
    ship = (colours == (231, 76, 60)).all(axis=-1)
    np.testing.assert_array_equal(np.argwhere(grey == 255).min(axis=0), np.argwhere(ship).min(axis=0) // 2)


def test_coverage_reaches_games_with_few_enemies_and_many_places():
    """Random games rarely come that far."""
    known = world(ID)
    late, samples = {}, {"random": 600, "coverage": 100}
    assert set(known.policies) == set(samples)
    for policy, count in samples.items():
        state = collect(known, count, policy, seed=0, modalities=("sound",)).state(np.arange(count)).numpy()
        late[policy] = (state[:, 3:7].sum(axis=1) <= 2).mean()
        assert np.ptp(state[:, 0]) > 100
    assert late["coverage"] > 0.25 > 2 * late["random"]
    parts = known.collection("coverage", 601)
    assert sum(part.samples for part in parts) == 601
    assert len({part.skip for part in parts}) == len(parts)

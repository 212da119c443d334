"""The vector environment against Gymnasium's vector of single environments, its autoreset modes, its exact resume."""

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.testing import assert_array_equal

import anysense.envs
from anysense.envs import MultimodalPendulumEnv, MultimodalPendulumVectorEnv

COUNT = 5
MODES = list(AutoresetMode)


def native(num_envs=COUNT, **arguments):
    return MultimodalPendulumVectorEnv(num_envs, **arguments)


def synchronous(num_envs=COUNT, max_episode_steps=300, mode=AutoresetMode.NEXT_STEP, **arguments):
    """Return Gymnasium's vector of single environments."""

    def make():
        return gym.make(anysense.envs.DEFAULT_WORLD, max_episode_steps=max_episode_steps, **arguments)

    return SyncVectorEnv([make] * num_envs, autoreset_mode=mode)


def torques(seed=0, num_envs=COUNT):
    rng = np.random.default_rng(seed)
    while True:
        yield rng.uniform(-2.5, 2.5, (num_envs, 1)).astype(np.float32)


def assert_same(one, other):
    assert data_equivalence(one, other, exact=True)


class TestEqualsSingleEnvironments:
    @pytest.mark.parametrize(
        "arguments",
        [
            {},
            {"modalities": ("image",), "antialias": False, "frame_stack": 1},
            {"modalities": ("sound",), "receivers": ("right_top", "left_middle"), "frame_stack": 3},
            {"physics": "gym-0.19", "initial_steps": (0, 4)},
            {"initial_steps": 2},
            {"modalities": ("sound",), "sound": "waveform", "timbre": "square", "frame_stack": 3},
            {"modalities": ("sound",), "sound": "mel", "initial_steps": (0, 4)},
        ],
    )
    @pytest.mark.parametrize("seed", [11, [5, 4, 3, 2, 1]])
    def test_step_for_step_across_restarts(self, arguments, seed):
        one, other = native(max_episode_steps=7, **arguments), synchronous(max_episode_steps=7, **arguments)
        assert one.observation_space == other.observation_space
        assert one.single_observation_space == other.single_observation_space
        assert one.action_space == other.action_space
        assert_same(one.reset(seed=seed), other.reset(seed=seed))
        for _, actions in zip(range(25), torques(), strict=False):
            assert_same(one.step(actions), other.step(actions))
        assert_same(one.reset(), other.reset())

    def test_same_step_mode_with_final_observations(self):
        arguments = {"max_episode_steps": 4, "initial_steps": (0, 3)}
        one, other = (
            native(autoreset_mode="SameStep", **arguments),
            synchronous(mode=AutoresetMode.SAME_STEP, **arguments),
        )
        assert_same(one.reset(seed=1), other.reset(seed=1))
        for _, actions in zip(range(11), torques(), strict=False):
            left, right = one.step(actions), other.step(actions)
            assert_same(left[:4], right[:4])
            assert sorted(left[4]) == sorted(right[4])
            for name in left[4]:
                if name != "final_obs":
                    assert_same(left[4][name], right[4][name])
            for mine, theirs in zip(left[4].get("final_obs", ()), right[4].get("final_obs", ()), strict=True):
                assert_same(mine, dict(theirs))

    def test_disabled_mode_with_masks(self):
        one = native(max_episode_steps=6, autoreset_mode="Disabled")
        other = synchronous(max_episode_steps=6, mode=AutoresetMode.DISABLED)
        assert_same(one.reset(seed=1), other.reset(seed=1))
        due = {3: np.array([True, False, True, False, False])}  # after the third step: in the middle of the episodes
        for step, actions in zip(range(1, 16), torques(), strict=False):
            left, right = one.step(actions), other.step(actions)
            assert_same(left, right)
            mask = due.get(step, left[3])
            if mask.any():
                left, right = (env.reset(options={"reset_mask": mask.copy()}) for env in (one, other))
                assert_same(left[0], right[0])
                assert_array_equal(left[1]["_state"], mask)
                assert_array_equal(left[1]["state"][mask], right[1]["state"][mask])

    @pytest.mark.parametrize("sound", ["tones", "waveform", "mel"])
    def test_a_large_batch_equals_small_ones(self, sound):
        large, small = (native(count, modalities=("sound",), sound=sound) for count in (600, 3))
        large.reset(seed=100)
        small.reset(seed=300)
        actions = next(torques(num_envs=600))
        assert_array_equal(large.step(actions)[0]["sound"][200:203], small.step(actions[200:203])[0]["sound"])


class TestInterface:
    def test_made_by_gymnasium(self):
        envs = gym.make_vec(anysense.envs.DEFAULT_WORLD, num_envs=3, modalities=("sound",))
        assert isinstance(envs, MultimodalPendulumVectorEnv)
        assert envs.max_episode_steps == 300
        assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
        assert envs.spec.id == anysense.envs.DEFAULT_WORLD
        envs.close()

    @pytest.mark.parametrize("mode", MODES)
    def test_mode_by_name_or_member(self, mode):
        for given in (mode, mode.value):
            envs = gym.make_vec(anysense.envs.DEFAULT_WORLD, num_envs=2, autoreset_mode=given)
            assert envs.metadata["autoreset_mode"] is mode

    def test_results_are_within_the_spaces(self):
        envs = native(max_episode_steps=50)
        observation, _ = envs.reset(seed=0)
        assert envs.observation_space.contains(observation)
        for _, actions in zip(range(120), torques(), strict=False):
            observation, rewards, terminated, truncated, info = envs.step(actions)
            assert envs.observation_space.contains(observation)
            assert (rewards.dtype, terminated.dtype, truncated.dtype) == (np.float64, np.bool_, np.bool_)
            assert (rewards <= 0).all()
            assert not terminated.any()
            assert info["state"].shape == (COUNT, 2)
            assert info["state"].dtype == np.float64

    @pytest.mark.parametrize("mode", MODES[:2])
    def test_shares_no_memory(self, mode):
        envs = native(2, max_episode_steps=2, autoreset_mode=mode)
        seen = [
            envs.reset(seed=0),
            envs.reset(),
            *(envs.step(actions) for _, actions in zip(range(4), torques(num_envs=2), strict=False)),
        ]
        arrays = [array for result in seen for array in arrays_in(result)]
        for place, one in enumerate(arrays):
            assert not any(np.shares_memory(one, other) for other in arrays[place + 1 :])

    def test_writing_into_results_changes_nothing(self):
        envs, twin = native(max_episode_steps=3), native(max_episode_steps=3)
        envs.reset(seed=0), twin.reset(seed=0)
        for _, actions in zip(range(9), torques(), strict=False):
            result = envs.step(actions)
            assert_same(result, twin.step(actions))
            for array in arrays_in(result):
                array[:] = 1

    def test_pendulums_differ_and_resets_differ(self):
        envs = native()
        first, second = envs.reset(seed=0)[1]["state"], envs.reset()[1]["state"]
        assert len(np.unique(np.concatenate((first, second)), axis=0)) == 2 * COUNT

    def test_seeds(self):
        envs = native(3)
        envs.reset(seed=4)
        assert envs.np_random_seed == (4, 5, 6)
        envs.reset(seed=[9, None, 7])
        assert envs.np_random_seed == (9, 5, 7)
        assert len(envs.np_random) == 3

    def test_unseeded_environments_differ(self):
        assert (native().reset()[1]["state"] != native().reset()[1]["state"]).all()

    def test_given_states(self):
        envs = native(3, initial_steps=4)
        states = np.array([[0.0, 0.0], [1.0, -8.0], [300.0, 8.0]])
        observation, info = envs.reset(options={"state": states})
        assert_array_equal(info["state"], states)
        for row, state in enumerate(states):
            single, _ = MultimodalPendulumEnv().reset(options={"state": state})
            assert_array_equal(observation["sound"][row], single["sound"])
            assert_array_equal(observation["image"][row], single["image"])

    def test_given_states_with_a_mask(self):
        envs = native(3)
        _, before = envs.reset(seed=0)
        mask = np.array([False, True, False])
        _, info = envs.reset(options={"state": np.ones((3, 2)), "reset_mask": mask})
        assert_array_equal(info["state"][~mask], before["state"][~mask])
        assert_array_equal(info["state"][mask], [[1.0, 1.0]])

    def test_a_masked_reset_starts_only_those_episodes_anew(self):
        envs = native(2, max_episode_steps=3)
        envs.reset(seed=0)
        envs.step(np.zeros((2, 1)))
        envs.reset(options={"reset_mask": np.array([False, True])})
        ends = [envs.step(np.zeros((2, 1)))[3].tolist() for _ in range(4)]
        assert ends == [[False, False], [True, False], [False, True], [False, False]]

    def test_episodes_without_end(self):
        envs = native(2, modalities=("sound",), max_episode_steps=None)
        envs.reset(seed=0)
        assert not any(envs.step(np.zeros((2, 1)))[3].any() for _ in range(400))

    def test_next_step_mode_ignores_the_action_and_rewards_nothing(self):
        envs = native(2, max_episode_steps=1)
        envs.reset(seed=0)
        _, _, _, truncated, _ = envs.step(np.ones((2, 1)))
        assert truncated.all()
        _, rewards, _, truncated, _ = envs.step(np.ones((2, 1)))
        assert_array_equal(rewards, [0.0, 0.0])
        assert not truncated.any()

    def test_render(self):
        envs = native(2, render_mode="rgb_array")
        envs.reset(seed=0)
        pictures = envs.render()
        assert [picture.shape for picture in pictures] == [(480, 480, 3)] * 2
        assert (pictures[0] != pictures[1]).any()

    def test_render_without_a_mode_warns(self):
        envs = native(1)
        envs.reset(seed=0)
        with pytest.warns(UserWarning, match="without a render mode"):
            assert envs.render() is None


def arrays_in(value):
    """Return all numeric arrays in nested results."""
    if isinstance(value, dict):
        return [array for entry in value.values() for array in arrays_in(entry)]
    if isinstance(value, tuple) or (isinstance(value, np.ndarray) and value.dtype == object):
        return [array for entry in value for array in arrays_in(entry)]
    return [value] if isinstance(value, np.ndarray) else []


class TestResume:
    @pytest.mark.parametrize("mode", MODES[:2])
    @pytest.mark.parametrize("steps_before", [0, 2, 3, 5])
    @pytest.mark.parametrize("sound", ["tones", "waveform", "mel"])
    def test_goes_on_exactly(self, mode, steps_before, sound):
        arguments = {"max_episode_steps": 3, "autoreset_mode": mode, "frame_stack": 3, "initial_steps": (0, 3)}
        arguments["sound"] = sound
        envs, stream = native(**arguments), torques()
        present = envs.reset(seed=8)[0]
        for _ in range(steps_before):
            present = envs.step(next(stream))[0]
        other = native(**arguments)
        assert_same(other.load_state_dict(envs.state_dict()), present)
        for _ in range(8):
            actions = next(stream)
            assert_same(envs.step(actions), other.step(actions))

    def test_state_is_a_copy(self):
        envs = native()
        envs.reset(seed=0)
        state = envs.state_dict()
        kept = copy.deepcopy(state)
        envs.step(next(torques()))
        assert_same(state, kept)

    @pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda envs: pickle.loads(pickle.dumps(envs))])
    def test_copies_go_on_alike(self, duplicate):
        envs = native(max_episode_steps=3)
        envs.reset(seed=0)
        twin = duplicate(envs)
        for _, actions in zip(range(5), torques(), strict=False):
            assert_same(envs.step(actions), twin.step(actions))

    def test_a_missing_entry_is_named(self):
        envs = native()
        state = envs.state_dict()
        del state["ended"], state["streams"]
        for given, message in ((state, r"`state` lacks \['ended', 'streams'\]"), (None, "`state` must be a dict")):
            with pytest.raises(ValueError, match=message):
                envs.load_state_dict(given)

    def test_wrong_audio_is_refused(self):
        envs = native(2, modalities=("sound",), sound="mel")
        envs.reset(seed=0)
        for entry, value in (("sounds", np.inf), ("audio", np.nan), ("phases", 1.5)):
            wrong = np.full_like(envs.state_dict()[entry], value)
            with pytest.raises(ValueError, match=rf"`state\['{entry}'\]` must be float.* from .*got float"):
                envs.load_state_dict({**envs.state_dict(), entry: wrong})
        with pytest.raises(ValueError, match=r"`state` lacks \['sounds', 'phases', 'audio'\]"):
            envs.load_state_dict(native(2).state_dict())

    @pytest.mark.parametrize(
        ("entry", "value", "message"),
        [
            ("states", np.zeros((3, 2, 2)), r"`state\['states'\]` must be float64 \(5, 2, 2\).*float64 \(3, 2, 2\)"),
            ("states", np.full((COUNT, 2, 2), np.nan), r"`state\['states'\]` must be finite"),
            ("states", np.full((COUNT, 2, 2), 8.5), r"`state\['states'\]` must have an angular speed within ±8"),
            ("states", np.full((COUNT, 2, 2), "1"), r"`state\['states'\]` must be an array of numbers"),
            ("elapsed_steps", np.full(COUNT, np.nan), r"`state\['elapsed_steps'\]` must be int64 \(5,\)"),
            ("elapsed_steps", np.full(COUNT, -1), r"`state\['elapsed_steps'\]` must not be negative"),
            ("elapsed_steps", [[1], [1, 2]], r"`state\['elapsed_steps'\]` must be an array of numbers"),
            ("ended", np.zeros(COUNT), r"`state\['ended'\]` must be bool \(5,\).*got float64"),
            ("ended", np.zeros(3, np.bool_), r"`state\['ended'\]` must be bool \(5,\).*got bool \(3,\)"),
            ("streams", np.zeros((COUNT, 6)), r"`state\['streams'\]` must be uint64 \(5, 6\)"),
        ],
    )
    def test_a_wrong_entry_is_refused_and_changes_nothing(self, entry, value, message):
        envs, twin = native(), native()
        for each in (envs, twin):
            each.reset(seed=1)
        with pytest.raises(ValueError, match=message):
            envs.load_state_dict({**envs.state_dict(), entry: value})
        for actions, _ in zip(torques(), range(2), strict=False):
            assert_same(envs.step(actions), twin.step(actions))


class TestErrors:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"num_envs": 0}, "`num_envs` must be a whole number from 1 to 500000, got 0"),
            ({"max_episode_steps": 0}, "`max_episode_steps` must be a whole number of at least 1, got 0"),
            ({"autoreset_mode": "nextstep"}, r"`autoreset_mode` must be one of 'NextStep', .*got 'nextstep'"),
            ({"render_mode": "human"}, "`render_mode` must be one of 'rgb_array'; got 'human'"),
            ({"modalities": ("smell",)}, "`modalities` must be one of 'image', 'sound'; got 'smell'"),
        ],
    )
    def test_arguments(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            native(**arguments)

    @pytest.mark.parametrize(
        ("actions", "message"),
        [
            (np.zeros(COUNT), r"`actions` must have shape \(5, 1\).*got shape \(5,\)"),
            (np.zeros((4, 1)), r"`actions` must have shape \(5, 1\).*got shape \(4, 1\)"),
            (np.array([[0.0]] * 4 + [[np.nan]]), "`actions` must not be NaN"),
        ],
    )
    def test_actions(self, actions, message):
        envs = native()
        envs.reset(seed=0)
        with pytest.raises(ValueError, match=message):
            envs.step(actions)

    @pytest.mark.parametrize(
        ("mask", "error", "message"),
        [
            (
                [True] * COUNT,
                TypeError,
                "`options\\['reset_mask'\\]` must be a numpy array of bool, got <class 'list'>",
            ),
            (np.ones(COUNT), TypeError, "`options\\['reset_mask'\\]` must be a numpy array of bool, got float64"),
            (np.ones(3, np.bool_), ValueError, r"`options\['reset_mask'\]` must have shape \(5,\), got \(3,\)"),
            (np.zeros(COUNT, np.bool_), ValueError, r"`options\['reset_mask'\]` must mark at least one environment"),
        ],
    )
    def test_masks(self, mask, error, message):
        envs = native()
        envs.reset(seed=0)
        with pytest.raises(error, match=message):
            envs.reset(options={"reset_mask": mask})

    def test_first_reset_resets_all(self):
        with pytest.raises(ValueError, match=r"`options\['reset_mask'\]` must be all True at the first `reset`"):
            native(2).reset(options={"reset_mask": np.array([True, False])})

    def test_states(self):
        with pytest.raises(ValueError, match=r"`options\['state'\]` must have shape \(5, 2\).*got shape \(2,\)"):
            native().reset(options={"state": [0.0, 0.0]})

    def test_unknown_option(self):
        with pytest.raises(ValueError, match=r"`options` must be one of 'state', 'reset_mask'; got 'mask'"):
            native().reset(options={"mask": None})

    def test_number_of_seeds(self):
        with pytest.raises(ValueError, match="`seed` must be one number or a sequence of 5, got 2 entries"):
            native().reset(seed=[1, 2])

    def test_step_before_reset(self):
        with pytest.raises(RuntimeError, match="`step` was called before the first `reset`"):
            native().step(np.zeros((COUNT, 1)))

    def test_disabled_mode_demands_the_reset(self):
        envs = native(2, max_episode_steps=1, autoreset_mode="Disabled")
        envs.reset(seed=0)
        envs.step(np.zeros((2, 1)))
        with pytest.raises(
            RuntimeError, match=r"episodes \[0, 1\] are over and autoreset is disabled; call `reset\(options"
        ):
            envs.step(np.zeros((2, 1)))

"""The single environment: interface, golden values, arguments and their errors."""

import copy
import importlib
import json
import pickle
import subprocess
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.env_checker import check_env as sb3_check_env

import anysense.envs
from anysense.envs import MultimodalPendulumEnv, MultimodalPendulumVectorEnv
from anysense.envs.pendulum import rendering
from anysense.envs.pendulum.physics import advance, reward
from anysense.envs.pendulum.raster import rod_frame

MODALITY_SUBSETS = [("image", "sound"), ("image",), ("sound",)]
ZERO = np.zeros(1, np.float32)


@pytest.fixture
def env():
    return MultimodalPendulumEnv()


def normalised(env):
    """Return the environment with actions in [-1, 1] and flat sound, as the checkers' advice wants them."""
    env = gym.wrappers.RescaleAction(env, np.float32(-1), np.float32(1))
    if "sound" not in env.observation_space.spaces:
        return env
    sound = env.observation_space["sound"]
    space = gym.spaces.Dict({**env.observation_space, "sound": gym.spaces.flatten_space(sound)})
    return gym.wrappers.TransformObservation(env, lambda seen: {**seen, "sound": seen["sound"].ravel()}, space)


class TestCheckers:
    @pytest.mark.parametrize("modalities", MODALITY_SUBSETS)
    def test_gymnasium(self, modalities):
        env = gym.make(anysense.envs.DEFAULT_WORLD, modalities=modalities, render_mode="rgb_array").unwrapped
        with warnings.catch_warnings():
            # torque in N m is this environment's unit of action, as in Pendulum-v1
            warnings.filterwarnings("ignore", message=".*we recommend using a symmetric and normalized space")
            check_env(env, skip_render_check=True)

    @pytest.mark.parametrize("modalities", MODALITY_SUBSETS)
    def test_stable_baselines3(self, modalities):
        env = normalised(MultimodalPendulumEnv(modalities=modalities))
        sb3_check_env(env)  # advice would be a warning, and that an error
        observation, _ = env.reset(seed=0)
        assert env.observation_space.contains(observation)

    @pytest.mark.parametrize("modalities", MODALITY_SUBSETS)
    def test_stable_baselines3_only_advises_on_units_and_shape(self, modalities):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            sb3_check_env(MultimodalPendulumEnv(modalities=modalities))
        advice = ("symmetric and normalized Box action", "sound is an image", "space sound is an image", "36x36")
        assert all(any(text in str(warning.message) for text in advice) for warning in caught)


class TestObservation:
    @pytest.mark.parametrize("modalities", MODALITY_SUBSETS)
    def test_holds_the_chosen_modalities(self, modalities):
        env = MultimodalPendulumEnv(modalities=modalities)
        for observation in (env.reset(seed=0)[0], env.step(ZERO)[0]):
            assert set(observation) == set(env.observation_space) == set(modalities)
            assert env.observation_space.contains(observation)

    @pytest.mark.parametrize("stack", [1, 2, 4])
    def test_shapes(self, stack):
        env = MultimodalPendulumEnv(frame_stack=stack, receivers=("left_top", "right_middle"))
        observation, _ = env.reset(seed=0)
        assert observation["image"].shape == (stack, 60, 60)
        assert observation["image"].dtype == np.uint8
        assert observation["sound"].shape == (stack, 2, 2)
        assert observation["sound"].dtype == np.float32
        assert env.observation_space.contains(observation)

    def test_golden_step(self):
        env = MultimodalPendulumEnv(physics="gym-0.19", antialias=False)
        env.reset(options={"state": [1.2, 7.9]})
        observation, step_reward, terminated, truncated, info = env.step(np.array([2.0], np.float32))
        np.testing.assert_allclose(info["state"], (1.644951466, 8.0), atol=1e-9)
        sound = [(659.270244, 0.167613), (583.203052, 0.067834), (325.103276, 0.162180)]
        np.testing.assert_allclose(observation["sound"][1], sound, rtol=1e-5)
        assert (step_reward, terminated, truncated) == (pytest.approx(-7.685), False, False)

    def test_golden_mask(self):
        env = MultimodalPendulumEnv(antialias=False)
        observation, _ = env.reset(options={"state": [np.pi / 2, 0.0]})
        rows, columns = np.nonzero(observation["image"][1])
        assert (len(rows), rows.min(), rows.max(), columns.min(), columns.max()) == (106, 28, 31, 5, 31)
        assert set(np.unique(observation["image"])) == {0, 255}

    def test_stack_holds_copies_after_reset_then_moves_oldest_first(self):
        env = MultimodalPendulumEnv(frame_stack=3)
        first, _ = env.reset(seed=3)
        second, third = env.step(ZERO)[0], env.step(ZERO)[0]
        for modality in ("image", "sound"):
            np.testing.assert_array_equal(first[modality][0], first[modality][2])
            np.testing.assert_array_equal(second[modality][:2], first[modality][1:])
            np.testing.assert_array_equal(third[modality][:2], second[modality][1:])
            assert (third[modality][2] != second[modality][2]).any()

    def test_image_is_the_rod_at_the_state(self, env):
        env.reset(seed=1)
        for _ in range(20):
            observation, *_, info = env.step(np.array([2.0], np.float32))
            error = observation["image"][1].astype(int) - rod_frame(info["state"][0])
            assert np.abs(error).max() <= 3

    @given(
        st.floats(-300, 300),
        st.floats(-8, 8),
        st.sampled_from(["gymnasium", "gym-0.19"]),
        st.lists(st.floats(-5, 5), max_size=5),
    )
    @settings(max_examples=60)
    def test_bounds_always_hold(self, theta, omega, physics, torques):
        env = MultimodalPendulumEnv(physics=physics, receivers=tuple(anysense.envs.pendulum.acoustics.RECEIVERS))
        assert env.observation_space.contains(env.reset(options={"state": [theta, omega]})[0])
        for torque in torques:
            assert env.observation_space.contains(env.step(np.array([torque], np.float32))[0])

    def test_shares_no_memory(self, env):
        seen = [env.reset(seed=0), env.reset(), *((step[0], step[4]) for step in (env.step(ZERO) for _ in range(4)))]
        arrays = [array for observation, info in seen for array in (*observation.values(), *info.values())]
        for place, one in enumerate(arrays):
            assert not any(np.shares_memory(one, other) for other in arrays[place + 1 :])

    def test_writing_into_results_changes_nothing(self, env):
        twin = copy.deepcopy(env)
        for each in (env, twin):
            each.reset(seed=5)
        for _ in range(4):
            observation, *_, info = env.step(ZERO)
            expected, *_, expected_info = twin.step(ZERO)
            np.testing.assert_array_equal(observation["image"], expected["image"])
            np.testing.assert_array_equal(observation["sound"], expected["sound"])
            np.testing.assert_array_equal(info["state"], expected_info["state"])
            for array in (*observation.values(), *info.values()):
                array[:] = 0

    def test_no_element_that_can_move_is_constant(self, env):
        env.reset(seed=0)
        rng = np.random.default_rng(0)
        seen = [env.step(rng.uniform(-2, 2, 1).astype(np.float32))[0] for _ in range(1500)]
        spread = np.ptp([observation["sound"] for observation in seen], axis=0)
        assert (spread > 0).all()
        moved = np.ptp([observation["image"] for observation in seen], axis=0) > 0
        everywhere = rod_frame(np.linspace(-np.pi, np.pi, 400))
        reachable = np.ptp(everywhere, axis=0) > 60
        assert moved[:, reachable].all()


class TestEpisode:
    def test_same_seed_same_episode(self):
        def play(seed):
            env = MultimodalPendulumEnv(initial_steps=(0, 4))
            first, info = env.reset(seed=seed)
            return [
                first["sound"],
                info["state"],
                *(env.step(ZERO)[0]["image"] for _ in range(5)),
                env.reset()[1]["state"],
            ]

        for one, other in zip(play(7), play(7), strict=True):
            np.testing.assert_array_equal(one, other)
        assert any((one != other).any() for one, other in zip(play(7), play(8), strict=True))

    def test_two_resets_differ(self, env):
        first, second = env.reset(seed=0)[0], env.reset()[0]
        assert all((first[modality] != second[modality]).any() for modality in first)

    def test_follows_physics_and_reward(self, env):
        _, info = env.reset(seed=2)
        rng = np.random.default_rng(0)
        for torque in rng.uniform(-2, 2, 50).astype(np.float32):
            theta, omega = info["state"]
            _, step_reward, _, _, info = env.step(np.array([torque]))
            np.testing.assert_allclose(info["state"], advance(theta, omega, torque), rtol=1e-12)
            assert step_reward == pytest.approx(float(reward(theta, omega, torque)), rel=1e-12)
            assert type(step_reward) is float

    def test_torque_is_clipped(self):
        results = []
        for torque in (-2.5, -2.0):
            env = MultimodalPendulumEnv()
            env.reset(options={"state": [3.0, 1.0]})
            results.append(env.step(np.array([torque], np.float32)))
        assert results[0][1] == results[1][1] == pytest.approx(-9.104)
        np.testing.assert_array_equal(results[0][4]["state"], results[1][4]["state"])

    def test_registered_environment_is_truncated_after_300_steps(self):
        env = gym.make(anysense.envs.DEFAULT_WORLD, modalities=("sound",))
        env.reset(seed=0)
        ends = [env.step(ZERO)[2:4] for _ in range(300)]
        assert ends[:-1] == [(False, False)] * 299
        assert ends[-1] == (False, True)

    def test_initial_steps_are_torque_free_steps(self):
        still, info = MultimodalPendulumEnv(initial_steps=0), {}
        _, info = still.reset(seed=4)
        for count in (1, 2, 3):
            info = still.step(ZERO)[4]
            observation, moved = MultimodalPendulumEnv(initial_steps=count).reset(seed=4)
            np.testing.assert_array_equal(moved["state"], info["state"])
            np.testing.assert_array_equal(observation["image"][0], observation["image"][1])

    def test_initial_steps_are_drawn_from_a_half_open_range(self):
        still = MultimodalPendulumEnv()
        counts = set()
        for seed in range(30):
            _, info = MultimodalPendulumEnv(initial_steps=(1, 4)).reset(seed=seed)
            _, start = still.reset(seed=seed)
            states = [start["state"], *(still.step(ZERO)[4]["state"] for _ in range(5))]
            counts.add(next(count for count, state in enumerate(states) if (state == info["state"]).all()))
        assert counts == {1, 2, 3}

    def test_given_state_skips_draws_and_initial_steps(self):
        env = MultimodalPendulumEnv(initial_steps=5)
        env.reset(seed=0)
        before = copy.deepcopy(env.np_random.bit_generator.state)
        given_state = np.array([0.25, -3.0])
        _, info = env.reset(options={"state": given_state})
        np.testing.assert_array_equal(info["state"], given_state)
        assert info["state"].dtype == np.float64
        assert not np.shares_memory(info["state"], given_state)
        assert env.np_random.bit_generator.state == before

    @pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
    def test_copies_go_on_alike(self, env, duplicate):
        env.reset(seed=0)
        env.step(ZERO)
        twin = duplicate(env)
        for _ in range(3):
            one, other = env.step(ZERO), twin.step(ZERO)
            np.testing.assert_array_equal(one[0]["image"], other[0]["image"])
            np.testing.assert_array_equal(one[0]["sound"], other[0]["sound"])
        np.testing.assert_array_equal(env.reset()[1]["state"], twin.reset()[1]["state"])

    def test_a_pickled_environment_is_small(self, env):
        assert len(pickle.dumps(env)) < 50_000


class TestErrors:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (
                {"modalities": ("image", "sond")},
                r"`modalities` must be one of 'image', 'sound'; got 'sond'. Did you mean 'sound'\?",
            ),
            ({"modalities": ()}, "`modalities` must name at least one of 'image', 'sound'; got none"),
            ({"modalities": ("sound", "sound")}, "`modalities` must name each entry once; got 'sound' twice"),
            ({"receivers": ("Left_Top",)}, r"got 'Left_Top'. Did you mean 'left_top'\?"),
            ({"frame_stack": 0}, "`frame_stack` must be a whole number from 1 to 1000, got 0"),
            ({"frame_stack": 1.5}, "`frame_stack` must be a whole number from 1 to 1000, got 1.5"),
            ({"physics": "gym"}, r"`physics` must be one of 'gymnasium', 'gym-0.19'; got 'gym'. Did you mean 'gym"),
            ({"initial_steps": -1}, r"`initial_steps` must be a whole number from 0 to 10000, or a pair.*got -1"),
            ({"initial_steps": (3, 3)}, r"`initial_steps`.*0 <= low < high.*got \(3, 3\)"),
            ({"initial_steps": "1"}, "`initial_steps` must be a whole number from 0 .*, or a pair.*got '1'"),
            (
                {"render_mode": "rgb"},
                r"`render_mode` must be one of 'human', 'rgb_array'; got 'rgb'. Did you mean 'rgb_array'\?",
            ),
        ],
    )
    def test_arguments(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            MultimodalPendulumEnv(**arguments)

    def test_a_string_is_no_sequence_of_modalities(self):
        with pytest.raises(
            TypeError, match=r"`modalities` must be a sequence of names, got the string 'sound'; write \('sound',\)"
        ):
            MultimodalPendulumEnv(modalities="sound")

    @pytest.mark.parametrize(
        ("state", "message"),
        [
            ([0.0], r"`options\['state'\]` must have shape \(2,\).*got shape \(1,\)"),
            ([np.nan, 0.0], r"`options\['state'\]` must be finite; got \[nan"),
            ([0.0, 8.5], r"`options\['state'\]` must have an angular speed within ±8.0 rad/s; got 8.5"),
            ("up", r"`options\['state'\]` must be an array of numbers; got 'up'"),
        ],
    )
    def test_states(self, env, state, message):
        with pytest.raises(ValueError, match=message):
            env.reset(options={"state": state})

    def test_unknown_option(self, env):
        with pytest.raises(ValueError, match=r"`options` must be one of 'state'; got 'sate'. Did you mean 'state'\?"):
            env.reset(options={"sate": [0.0, 0.0]})

    @pytest.mark.parametrize(
        ("action", "message"),
        [
            ([np.nan], r"`action` must not be NaN; got \[nan\]"),
            ([0.0, 1.0], r"`action` must have shape \(1,\).*got shape \(2,\)"),
            (0.5, r"`action` must have shape \(1,\).*got shape \(\)"),
            (["left"], r"`action` must be an array of numbers; got \['left'\]"),
        ],
    )
    def test_actions(self, env, action, message):
        env.reset(seed=0)
        with pytest.raises(ValueError, match=message):
            env.step(action)

    def test_a_refused_action_leaves_the_state(self, env):
        _, info = env.reset(seed=0)
        with pytest.raises(ValueError, match="NaN"):
            env.step(np.array([np.nan]))
        np.testing.assert_allclose(env.step(ZERO)[4]["state"], advance(*info["state"], 0.0), rtol=1e-12)

    def test_infinite_torque_is_clipped(self, env):
        env.reset(options={"state": [0.0, 0.0]})
        assert env.step(np.array([np.inf]))[4]["state"][1] == pytest.approx(0.3)

    def test_step_before_reset(self, env):
        with pytest.raises(RuntimeError, match="`step` was called before the first `reset`"):
            env.step(ZERO)


class TestRendering:
    def test_rgb_array(self):
        env = gym.make(anysense.envs.DEFAULT_WORLD, render_mode="rgb_array")
        env.reset(seed=0, options={"state": [0.0, 0.0]})
        up = env.render()
        assert up.shape == (480, 480, 3)
        assert up.dtype == np.uint8
        np.testing.assert_array_equal(up[240 - 60, 240], (204, 77, 77))
        np.testing.assert_array_equal(up[240, 240], (0, 0, 0))
        np.testing.assert_array_equal(up[240, 240 - 60], (255, 255, 255))
        env.reset(options={"state": [np.pi / 2, 0.0]})
        np.testing.assert_array_equal(env.render()[240, 240 - 60], (204, 77, 77))

    def test_receivers_show_the_shift(self):
        renderer = rendering.Renderer(["middle_top", "left_middle"])
        picture = renderer.draw(np.array([np.pi / 2, -6.0])).astype(int)  # on the left, moving upwards
        above, beside = picture[37, 240], picture[240, 37]
        assert above[2] > above[0] + 50  # blue: it hears the tip come closer
        assert abs(beside[2] - beside[0]) < 10  # grey: the tip moves across

    def test_wave_fronts_travel_at_the_speed_of_sound_from_where_the_tip_was(self):
        env = MultimodalPendulumEnv(render_mode="rgb_array")
        env.reset(options={"state": [0.0, 0.0]})
        still = env.render().astype(int)
        states = [env.step(ZERO)[-1]["state"] for _ in range(2)]  # upright and still: the tip stays where it is
        np.testing.assert_allclose(states, 0, atol=1e-12)
        row = env.render().astype(int)[60]  # 1 m is 92.3 pixels
        row[still[60].min(axis=-1) < 255] = 255  # the receiver
        height = (240 - 60.5) / 92.3077  # m above the pivot
        radii = np.hypot(height - 1.0, (np.flatnonzero((row < 253).any(axis=-1)) + 0.5 - 240) / 92.3077)
        steps_ago = radii / (20.0 * 0.05)
        for half in (2.0, 1.5):
            assert np.abs(steps_ago - half).min() < 0.02
        assert np.abs(2 * steps_ago - np.rint(2 * steps_ago)).max() < 0.06

    def test_the_arrow_shows_the_torque(self):
        env = MultimodalPendulumEnv(render_mode="rgb_array")

        def green(torque):
            env.reset(options={"state": [np.pi, 0.0]})  # hanging: a torque to the left turns the rod to the right
            env.step(np.array([torque], np.float32))
            picture = env.render().astype(int)
            return np.argwhere(picture[..., 1] > picture[..., [0, 2]].max(axis=-1) + 40)

        assert len(green(0.0)) == 0
        half, full, other = green(1.0), green(2.0), green(-9.0)
        assert len(full) > 1.3 * len(half) > 0
        assert full[:, 1].mean() > 250  # counter-clockwise from below is to the right
        assert abs(other[:, 1].mean() + full[:, 1].mean() - 479) < 2  # clipped to -2: the mirror image

    def test_says_how_fast_pictures_and_sound_are(self):
        single, several = MultimodalPendulumEnv(sample_rate=8000), MultimodalPendulumVectorEnv(2)
        single.reset(seed=0)
        assert single.metadata["render_fps"] == several.metadata["render_fps"] == 20
        assert single.metadata["render_sample_rate"] == 8000
        assert single.render_sound().shape == (2, 8000 // 20)

    def test_without_a_mode_it_warns(self, env):
        env.reset(seed=0)
        with pytest.warns(UserWarning, match="without a render mode"):
            assert env.render() is None

    def test_human_mode_opens_and_closes_a_window(self, monkeypatch):
        pygame = FakePygame()
        monkeypatch.setitem(sys.modules, "pygame", pygame)
        env = MultimodalPendulumEnv(render_mode="human")
        env.reset(seed=0)
        env.step(ZERO)
        assert env.render() is None
        env.close()
        env.close()
        assert pygame.calls[:2] == ["init", (480, 480)]
        assert pygame.calls.count("shown (480, 480, 3)") == pygame.calls.count("tick 20") == 3
        assert pygame.calls[-1] == "quit"
        assert pygame.calls.count("quit") == 1

    def test_human_mode_without_pygame(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "pygame", None)
        env = MultimodalPendulumEnv(render_mode="human")
        with pytest.raises(ImportError, match=r'pip install "anysense\[window\]"'):
            env.reset(seed=0)


class FakePygame:
    """Stands in for pygame: records what the window is asked to do."""

    def __init__(self):
        self.calls = []
        self.display = self.surfarray = self.event = self.time = self

    def init(self):
        self.calls.append("init")

    def set_mode(self, size):
        self.calls.append(size)
        return "window"

    def blit_array(self, window, picture):
        self.calls.append(f"shown {picture.shape}")

    def pump(self):
        pass

    def flip(self):
        pass

    def Clock(self):
        return self

    def tick(self, fps):
        self.calls.append(f"tick {fps}")

    def quit(self):
        self.calls.append("quit")


class TestPackage:
    def test_import_needs_no_window_and_no_learning_library(self):
        code = (
            "import sys, json, anysense.envs; "
            "heavy = ('pygame', 'torch', 'stable_baselines3', 'av', 'PIL', 'librosa'); "
            "print(json.dumps([name for name in heavy if name in sys.modules]))"
        )
        output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert json.loads(output) == []

    def test_every_exported_name_exists(self):
        module = importlib.import_module("anysense.envs")
        assert [name for name in module.__all__ if not hasattr(module, name)] == []

    def test_registered(self):
        spec = gym.spec("anysense/MultimodalPendulum-v0")
        assert spec.max_episode_steps == 300
        assert spec.vector_entry_point is not None

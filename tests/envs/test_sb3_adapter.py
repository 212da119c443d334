"""The adapter against Stable-Baselines3's own `DummyVecEnv` of the same environments, and in short training runs."""

import copy
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeLimit
from stable_baselines3 import A2C, PPO, SAC
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from anysense.envs import DEFAULT_WORLD, MissingModalities, VectorMissingModalities
from anysense.envs.sb3_adapter import GymnasiumVecEnv

both_modes = pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.DISABLED])


def assert_same_observation(one: Any, other: Any) -> None:
    if isinstance(other, dict):
        assert set(one) == set(other)
        for name in other:
            np.testing.assert_array_equal(one[name], other[name], strict=True)
    else:
        np.testing.assert_array_equal(one, other, strict=True)


def assert_same_steps(ours: GymnasiumVecEnv, reference: DummyVecEnv, steps: int) -> tuple[int, int]:
    """Steps both alike and compares all they return; returns the numbers of terminated and truncated episodes."""
    ours.seed(5)
    reference.seed(5)
    assert_same_observation(ours.reset(), reference.reset())
    ours.action_space.seed(0)
    terminated = truncated = 0
    for _ in range(steps):
        actions = np.array([ours.action_space.sample() for _ in range(ours.num_envs)])
        (mine, my_rewards, my_dones, my_infos), theirs = ours.step(actions), reference.step(actions)
        assert_same_observation(mine, theirs[0])
        np.testing.assert_array_equal(my_rewards, theirs[1], strict=True)
        np.testing.assert_array_equal(my_dones, theirs[2], strict=True)
        assert len(my_infos) == ours.num_envs
        for done, my_info, info in zip(my_dones, my_infos, theirs[3], strict=True):
            assert my_info.get("TimeLimit.truncated", False) == info["TimeLimit.truncated"]
            if not done:
                assert my_info == {}
                continue
            assert set(my_info) == {"TimeLimit.truncated", "terminal_observation", "episode"}
            assert_same_observation(my_info["terminal_observation"], info["terminal_observation"])
            assert my_info["episode"]["r"] == pytest.approx(info["episode"]["r"], abs=1e-6)
            assert my_info["episode"]["l"] == info["episode"]["l"]
            assert my_info["episode"]["t"] >= 0
            truncated += info["TimeLimit.truncated"]
            terminated += not info["TimeLimit.truncated"]
    return terminated, truncated


@both_modes
@pytest.mark.parametrize("discrete", [False, True])
def test_equals_dummy_vec_env(discrete: bool, mode: AutoresetMode, toy_env: Any) -> None:
    ours = GymnasiumVecEnv(SyncVectorEnv([lambda: toy_env(discrete)] * 3, autoreset_mode=mode))
    reference = DummyVecEnv([lambda: Monitor(toy_env(discrete))] * 3)
    terminated, truncated = assert_same_steps(ours, reference, 60)
    assert terminated > 5
    assert truncated > 5


@both_modes
def test_equals_dummy_vec_env_with_plain_observations(mode: AutoresetMode) -> None:
    ours = GymnasiumVecEnv(SyncVectorEnv([lambda: gymnasium.make("CartPole-v1")] * 2, autoreset_mode=mode, copy=False))
    reference = DummyVecEnv([lambda: Monitor(gymnasium.make("CartPole-v1"))] * 2)
    assert assert_same_steps(ours, reference, 80)[0] > 3


@both_modes
def test_native_pendulum_with_missing_modalities_equals_dummy_vec_env(mode: AutoresetMode) -> None:
    venv = gymnasium.make_vec(DEFAULT_WORLD, num_envs=3, max_episode_steps=4, autoreset_mode=mode)
    ours = GymnasiumVecEnv(VectorMissingModalities(venv, 0.5))
    members = [lambda: Monitor(MissingModalities(gymnasium.make(DEFAULT_WORLD, max_episode_steps=4), 0.5))] * 3
    assert assert_same_steps(ours, DummyVecEnv(members), 10) == (0, 6)


def test_terminated_and_truncated_at_once_is_not_truncated() -> None:
    class Both(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(0, 1, (1,), np.float32)
        action_space = gymnasium.spaces.Discrete(2)

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            return np.zeros(1, np.float32), {}

        def step(self, action: Any) -> Any:
            return np.ones(1, np.float32), 1.0, bool(action), False, {}

    ours = GymnasiumVecEnv(SyncVectorEnv([lambda: TimeLimit(Both(), 1)] * 2, autoreset_mode=AutoresetMode.SAME_STEP))
    ours.reset()
    _, _, dones, infos = ours.step(np.array([1, 0]))
    assert dones.all()
    assert [info["TimeLimit.truncated"] for info in infos] == [False, True]


def test_batched_final_observations_are_read_too(toy_env: Any) -> None:
    venv = SyncVectorEnv([lambda: toy_env(limit=1)] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
    true_step = venv.step

    def step(actions: Any) -> Any:
        *answer, info = true_step(actions)
        final = {name: np.stack([row[name] for row in info["final_obs"]]) for name in ("image", "sound")}
        return *answer, {**info, "final_obs": final}

    venv.step = step  # type: ignore[method-assign]
    ours = GymnasiumVecEnv(venv)
    assert assert_same_steps(ours, DummyVecEnv([lambda: Monitor(toy_env(limit=1))] * 2), 5) != (0, 0)


@both_modes
def test_chosen_info_is_handed_on(mode: AutoresetMode, toy_env: Any) -> None:
    venv = SyncVectorEnv([toy_env] * 3, autoreset_mode=mode)
    ours = GymnasiumVecEnv(venv, record_episodes=False, info_keys=("steps", "nothing"))
    reference = DummyVecEnv([toy_env] * 3)
    for env in (ours, reference):
        env.seed(0)
        env.reset()
    for _ in range(15):
        actions = np.zeros((3, 1), np.float32)
        infos, expected = ours.step(actions)[3], reference.step(actions)[3]
        assert [info["steps"] for info in infos] == [info["steps"] for info in expected]
        assert not any("episode" in info or "nothing" in info for info in infos)


def test_seeds_and_options_count_for_one_reset(toy_env: Any) -> None:
    ours = GymnasiumVecEnv(SyncVectorEnv([toy_env] * 2, autoreset_mode=AutoresetMode.SAME_STEP))
    assert ours.seed(7) == [7, 8]
    first = ours.reset()
    second = ours.reset()
    ours.seed(7)
    again = ours.reset()
    assert (first["image"] != second["image"]).any()
    np.testing.assert_array_equal(first["image"], again["image"])
    np.testing.assert_array_equal(first["image"][1], toy_env().reset(seed=8)[0]["image"])
    ours._seeds = [3, 3]
    equal = ours.reset()["image"]
    np.testing.assert_array_equal(equal[0], equal[1])
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    assert len({*ours.seed(), *ours.seed()}) == 4
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_options_reach_the_vector_environment() -> None:
    venv = gymnasium.make_vec(DEFAULT_WORLD, num_envs=2, autoreset_mode=AutoresetMode.SAME_STEP)
    ours = GymnasiumVecEnv(venv, info_keys=["state"])
    state = np.array([[0.0, 0.0], [np.pi, 0.0]])
    ours.set_options({"state": state})
    first = ours.reset()
    np.testing.assert_array_equal(first["image"], venv.reset(options={"state": state})[0]["image"])
    assert (first["image"] != ours.reset()["image"]).any()
    with pytest.raises(
        TypeError, match=r"`options` must be one dict .* got list; give per-environment values as batched"
    ):
        ours.set_options([{"state": state[0]}, {}])


def test_attributes_and_methods_of_separate_environments(toy_env: Any) -> None:
    ours = GymnasiumVecEnv(SyncVectorEnv([toy_env] * 3, autoreset_mode=AutoresetMode.SAME_STEP))
    ours.set_attr("lucky_number", 9, indices=[1])
    assert ours.get_attr("lucky_number") == [7, 9, 7]
    assert ours.get_attr("lucky_number", indices=1) == [9]
    assert ours.env_method("add", 1, indices=[0, 1]) == [8, 10]
    assert ours.has_attr("lucky_number")
    assert not ours.has_attr("unlucky_number")
    with pytest.raises(AttributeError, match="has no attribute 'unlucky_number'"):
        ours.get_attr("unlucky_number")
    wrapped = GymnasiumVecEnv(
        SyncVectorEnv([lambda: TimeLimit(toy_env(), 3)], autoreset_mode=AutoresetMode.SAME_STEP), record_episodes=False
    )
    assert wrapped.env_is_wrapped(TimeLimit) == [True]
    assert wrapped.env_is_wrapped(Monitor) == [False]


def test_attributes_and_methods_of_a_joint_environment() -> None:
    venv = VectorMissingModalities(
        gymnasium.make_vec(DEFAULT_WORLD, num_envs=2, autoreset_mode=AutoresetMode.SAME_STEP), 0.5
    )
    ours = GymnasiumVecEnv(venv)
    assert ours.get_attr("max_episode_steps") == [300, 300]
    ours.set_attr("max_episode_steps", 20)
    assert venv.unwrapped.max_episode_steps == 20
    ours.reset()
    assert len(ours.env_method("state_dict")) == 2
    assert ours.env_is_wrapped(VectorMissingModalities) == [True, True]
    assert ours.env_is_wrapped(MissingModalities, indices=0) == [False]
    assert ours.env_is_wrapped(Monitor) == [True, True]
    with pytest.raises(AttributeError, match="has no attribute 'unlucky_number'"):
        ours.get_attr("unlucky_number")
    with pytest.raises(AttributeError, match="has no method 'unlucky_method'"):
        ours.env_method("unlucky_method")
    with pytest.raises(ValueError, match=r"`indices` of `set_attr` must choose all 2 environments, got \[1\]"):
        ours.set_attr("max_episode_steps", 30, indices=[1])
    with pytest.raises(ValueError, match=r"`indices` of `env_method` must choose all 2 environments, got 0"):
        ours.env_method("state_dict", indices=0)


def test_render_tiles_the_frames(toy_env: Any) -> None:
    members = [lambda: toy_env(render_mode="rgb_array")] * 4
    ours = GymnasiumVecEnv(SyncVectorEnv(members, autoreset_mode=AutoresetMode.SAME_STEP))
    ours.reset()
    assert ours.render_mode == "rgb_array"
    assert len(ours.get_images()) == 4
    assert ours.render().shape == (8, 8, 3)
    ours.close()
    assert ours.venv.closed


def test_get_images_without_rendering() -> None:
    ours = GymnasiumVecEnv(gymnasium.make_vec(DEFAULT_WORLD, num_envs=2, autoreset_mode=AutoresetMode.SAME_STEP))
    ours.venv.render = lambda: None
    assert ours.get_images() == [None, None]


@both_modes
def test_state_dict_resumes_exactly(mode: AutoresetMode) -> None:
    def build() -> GymnasiumVecEnv:
        venv = gymnasium.make_vec(DEFAULT_WORLD, num_envs=2, max_episode_steps=5, autoreset_mode=mode)
        return GymnasiumVecEnv(VectorMissingModalities(venv, 0.5))

    original, resumed = build(), build()
    original.seed(1)
    observation = original.reset()
    actions = np.ones((2, 1), np.float32)
    for _ in range(8):
        observation = original.step(actions)[0]
    state = copy.deepcopy(original.state_dict())
    assert_same_observation(resumed.load_state_dict(state), observation)
    for _ in range(7):
        mine, theirs = original.step(actions), resumed.step(actions)
        assert_same_observation(mine[0], theirs[0])
        np.testing.assert_array_equal(mine[1], theirs[1])
        for my_info, info in zip(mine[3], theirs[3], strict=True):
            assert set(my_info) == set(info)
            if "episode" in info:
                assert_same_observation(my_info["terminal_observation"], info["terminal_observation"])
                assert (my_info["episode"]["r"], my_info["episode"]["l"]) == (info["episode"]["r"], 5)
    with pytest.raises(ValueError, match="`state` must hold returns, lengths and seeds of 2"):
        resumed.load_state_dict({**state, "returns": np.zeros(3)})


def test_errors(toy_env: Any) -> None:
    with pytest.raises(TypeError, match=r"`venv` must be a `gymnasium.vector.VectorEnv`, got ToyEnv"):
        GymnasiumVecEnv(toy_env())
    with pytest.raises(ValueError, match=r"AutoresetMode.NEXT_STEP\), expected SAME_STEP .*autoreset_mode=.*SAME_STEP"):
        GymnasiumVecEnv(SyncVectorEnv([toy_env]))
    with pytest.raises(TypeError, match=r"has no `state_dict\(\)`"):
        GymnasiumVecEnv(SyncVectorEnv([toy_env], autoreset_mode=AutoresetMode.SAME_STEP)).state_dict()


@pytest.mark.parametrize("algorithm", [PPO, SAC])
def test_learning_on_image_and_sound(algorithm: Any) -> None:
    venv = gymnasium.make_vec(DEFAULT_WORLD, num_envs=4, max_episode_steps=5, autoreset_mode=AutoresetMode.SAME_STEP)
    ours = GymnasiumVecEnv(VectorMissingModalities(venv, 0.3))
    settings = {PPO: {"n_steps": 8, "n_epochs": 1}, SAC: {"learning_starts": 8, "buffer_size": 100, "train_freq": 4}}
    policy = {"features_extractor_kwargs": {"cnn_output_dim": 8}, "net_arch": [8]}
    model = algorithm(
        "MultiInputPolicy", ours, seed=0, batch_size=8, device="cpu", policy_kwargs=policy, **settings[algorithm]
    )
    model.learn(32)
    assert model.num_timesteps == 32
    assert [episode["l"] for episode in model.ep_info_buffer] == [5] * 4
    mean, _ = evaluate_policy(model, ours, n_eval_episodes=4)  # warns if episodes are not recorded
    assert mean < 0


def test_learning_with_discrete_actions_uses_the_value_at_the_time_limit() -> None:
    """Both kinds of environment make the same policy: rewards are bootstrapped from `terminal_observation`."""

    def make() -> gymnasium.Env:
        return Monitor(gymnasium.make("CartPole-v1", max_episode_steps=7))

    weights = []
    for venv in (
        DummyVecEnv([make] * 2),
        GymnasiumVecEnv(SyncVectorEnv([make] * 2, autoreset_mode=AutoresetMode.SAME_STEP)),
        GymnasiumVecEnv(SyncVectorEnv([make] * 2, autoreset_mode=AutoresetMode.DISABLED)),
    ):
        model = A2C("MlpPolicy", venv, seed=0, device="cpu").learn(60)
        weights.append(model.policy.action_net.weight.detach().numpy())
    np.testing.assert_array_equal(weights[0], weights[1])
    np.testing.assert_array_equal(weights[0], weights[2])

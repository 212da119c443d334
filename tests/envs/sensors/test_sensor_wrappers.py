"""What holds for every wrapper that changes what the modalities deliver: missing modalities and all corruptions."""

import copy
import itertools
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from anysense.envs import (
    CORRUPTIONS,
    DEFAULT_WORLD,
    Corrupt,
    Corruption,
    MissingModalities,
    VectorCorrupt,
    VectorMissingModalities,
)

LEVELS = {"gaussian_noise": 0.2, "salt_and_pepper": 0.3, "dead_sensor": None, "frozen_sensor": 0.5, "delay": 2}
PAIRS = {
    "missing per episode": (lambda e: MissingModalities(e, 0.5), lambda v: VectorMissingModalities(v, 0.5)),
    "missing per step": (
        lambda e: MissingModalities(e, 0.5, "step"),
        lambda v: VectorMissingModalities(v, 0.5, "step"),
    ),
    "no delay": (lambda e: Corrupt(e, "sound:delay:0"), lambda v: VectorCorrupt(v, "sound:delay:0")),
    "stacked": (
        lambda e: MissingModalities(Corrupt(e, "sound:gaussian_noise:0.1"), {"image": 0.5}, "step"),
        lambda v: VectorMissingModalities(VectorCorrupt(v, "sound:gaussian_noise:0.1"), {"image": 0.5}, "step"),
    ),
    "corrupted after missing": (
        lambda e: Corrupt(MissingModalities(e, 0.5), "sound:gaussian_noise:0.1"),
        lambda v: VectorCorrupt(VectorMissingModalities(v, 0.5), "sound:gaussian_noise:0.1"),
    ),
}
for _name, _modality in itertools.product(CORRUPTIONS.names(), ("image", "sound")):
    PAIRS[f"{_name} of {_modality}"] = (
        lambda e, name=_name, modality=_modality: Corrupt(e, Corruption(modality, name, LEVELS[name])),
        lambda v, name=_name, modality=_modality: VectorCorrupt(v, Corruption(modality, name, LEVELS[name])),
    )

every_wrapper = pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS.keys())
every_mode = pytest.mark.parametrize("mode", list(AutoresetMode))


def assert_same(one: Any, other: Any) -> None:
    assert type(one) is type(other) or isinstance(one, np.ndarray | np.generic)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, np.ndarray) and one.dtype == object:
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    else:
        np.testing.assert_array_equal(one, other, strict=isinstance(one, np.ndarray))


def rollout(
    venv: Any, steps: int, seed: int | None = 3, mode: AutoresetMode | None = None, actions_seed: int = 0
) -> Any:
    """Yields everything a vector environment returns, resetting ended rows where that is left to the user."""
    venv.action_space.seed(actions_seed)
    if seed is not None:
        yield venv.reset(seed=seed)
    for _ in range(steps):
        answer = venv.step(venv.action_space.sample())
        yield copy.deepcopy(answer)
        done = answer[2] | answer[3]
        if mode is AutoresetMode.DISABLED and done.any():
            yield venv.reset(options={"reset_mask": done})


@every_mode
@every_wrapper
def test_vector_form_equals_a_vector_of_single_forms(pair: Any, mode: AutoresetMode, toy_env: Any) -> None:
    single, vector = pair
    ours = vector(SyncVectorEnv([toy_env] * 4, autoreset_mode=mode))
    reference = SyncVectorEnv([lambda: single(toy_env())] * 4, autoreset_mode=mode)
    assert ours.single_observation_space == reference.single_observation_space
    assert ours.observation_space == reference.observation_space
    ended = 0
    for mine, theirs in zip(rollout(ours, 25, mode=mode), rollout(reference, 25, mode=mode), strict=True):
        for one, other in zip(mine, theirs, strict=True):
            assert_same(one, other)
        assert ours.observation_space.contains(mine[0])
        if len(mine) == 5:
            ended += int((mine[2] | mine[3]).sum())
            finals = [final for final in mine[4].get("final_obs", ()) if final is not None]
            assert all(ours.single_observation_space.contains(final) for final in finals)
            assert len(finals) == ((mine[2] | mine[3]).sum() if mode is AutoresetMode.SAME_STEP else 0)
    assert ended > 8


@every_mode
def test_native_pendulum_equals_a_vector_of_wrapped_pendulums(mode: AutoresetMode) -> None:
    single, vector = PAIRS["stacked"]
    ours = vector(gymnasium.make_vec(DEFAULT_WORLD, num_envs=3, max_episode_steps=4, autoreset_mode=mode))
    members = [lambda: single(gymnasium.make(DEFAULT_WORLD, max_episode_steps=4))] * 3
    reference = SyncVectorEnv(members, autoreset_mode=mode)
    assert ours.observation_space == reference.observation_space
    for mine, theirs in zip(rollout(ours, 11, mode=mode), rollout(reference, 11, mode=mode), strict=True):
        assert_same(mine[0], theirs[0])
        if "final_obs" in theirs[-1]:
            assert_same(mine[-1]["final_obs"], theirs[-1]["final_obs"])
        else:
            assert "final_obs" not in mine[-1]


@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version:UserWarning")
@pytest.mark.filterwarnings("ignore:.*using a symmetric and normalized space:UserWarning")  # torques of the pendulum
@every_wrapper
def test_gymnasium_check_env_is_clean(pair: Any, toy_env: Any) -> None:
    check_env(pair[0](toy_env()), skip_render_check=True)
    check_env(pair[0](gymnasium.make(DEFAULT_WORLD, disable_env_checker=True)), skip_render_check=True)


def sb3_checker_messages(env: gymnasium.Env) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sb3_check_env(env)
    return [str(warning.message) for warning in caught]


@every_wrapper
def test_sb3_check_env_says_no_more_than_about_the_pendulum_itself(pair: Any) -> None:
    # It takes the three-dimensional sound for an image and prefers actions within [-1, 1].
    assert sb3_checker_messages(pair[0](gymnasium.make(DEFAULT_WORLD))) == sb3_checker_messages(
        gymnasium.make(DEFAULT_WORLD)
    )


def test_spec_rebuilds_the_wrapped_environment() -> None:
    env = Corrupt(MissingModalities(gymnasium.make(DEFAULT_WORLD), 0.5), "sound:delay:2")
    again = env.spec.make()
    assert str(again) == str(env)
    assert_same(again.reset(seed=5)[0], env.reset(seed=5)[0])


@every_wrapper
def test_answers_share_no_memory(pair: Any, toy_env: Any) -> None:
    single, vector = pair
    env, venv = single(toy_env()), vector(SyncVectorEnv([toy_env] * 3, autoreset_mode=AutoresetMode.SAME_STEP))
    kept = [env.reset(seed=0)[0], *(env.step(env.action_space.sample())[0] for _ in range(4))]
    batches = [venv.reset(seed=0)[0]]
    for answer in rollout(venv, 8, seed=None):
        batches += [answer[0], *(final for final in answer[4].get("final_obs", ()) if final is not None)]
    for observations in (kept, batches):
        for one, other in itertools.combinations(observations, 2):
            assert not any(np.shares_memory(one[name], other[name]) for name in one)


@every_wrapper
def test_input_is_never_written_to(pair: Any, toy_env: Any) -> None:
    _, vector = pair
    inner = SyncVectorEnv([toy_env] * 3, autoreset_mode=AutoresetMode.SAME_STEP)
    seen: list[tuple[Any, Any]] = []
    true_step = inner.step

    def recording_step(actions: Any) -> Any:
        answer = true_step(actions)
        seen.append((answer, copy.deepcopy(answer)))
        return answer

    inner.step = recording_step  # type: ignore[method-assign]
    venv = vector(inner)
    venv.reset(seed=0)
    for _ in range(8):
        venv.step(venv.action_space.sample())
    for answer, before in seen:
        assert_same(answer[0], before[0])
        assert_same(answer[4], before[4])


@every_wrapper
def test_seed_decides_everything_and_no_global_generator_is_used(pair: Any, toy_env: Any) -> None:
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    answers = []
    for _ in range(2):
        venv = pair[1](SyncVectorEnv([toy_env] * 2))
        answers.append([answer[0] for answer in rollout(venv, 10, seed=11)])
    for one, other in zip(*answers, strict=True):
        assert_same(one, other)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@every_mode
@every_wrapper
def test_state_dict_resumes_exactly(pair: Any, mode: AutoresetMode) -> None:
    def build() -> Any:
        return pair[1](gymnasium.make_vec(DEFAULT_WORLD, num_envs=3, max_episode_steps=4, autoreset_mode=mode))

    original, resumed = build(), build()
    last = None
    for answer in rollout(original, 6, mode=mode):
        last = answer[0]
    state = copy.deepcopy(original.state_dict())
    resumed.reset(seed=99)
    assert_same(resumed.load_state_dict(state), last)
    for mine, theirs in zip(
        rollout(original, 9, seed=None, mode=mode), rollout(resumed, 9, seed=None, mode=mode), strict=True
    ):
        assert_same(mine[0], theirs[0])
        assert_same(mine[-1].get("final_obs"), theirs[-1].get("final_obs"))


def test_partial_reset_returns_other_rows_as_they_were(toy_env: Any) -> None:
    inner = SyncVectorEnv([toy_env] * 3, autoreset_mode=AutoresetMode.DISABLED)
    venv = VectorCorrupt(inner, "image:gaussian_noise:0.2")
    first, _ = venv.reset(seed=0)
    kept = copy.deepcopy(first)
    first["image"][:] = 0  # what the user does with the array is their affair
    again, _ = venv.reset(options={"reset_mask": np.array([False, True, False])})
    np.testing.assert_array_equal(again["image"][[0, 2]], kept["image"][[0, 2]])
    assert (again["image"][1] != kept["image"][1]).any()


def test_partial_reset_seeds_only_its_rows(toy_env: Any) -> None:
    venv = VectorCorrupt(SyncVectorEnv([toy_env] * 2), "sound:gaussian_noise:0.2")
    reference = [Corrupt(toy_env(), "sound:gaussian_noise:0.2") for _ in range(2)]
    venv.reset(seed=[4, 8])
    observation, _ = venv.reset(seed=[15, 16], options={"reset_mask": np.array([True, False])})
    np.testing.assert_array_equal(observation["sound"][0], reference[0].reset(seed=15)[0]["sound"])
    np.testing.assert_array_equal(observation["sound"][1], reference[1].reset(seed=8)[0]["sound"])


def test_stacked_wrappers_draw_different_numbers(toy_env: Any) -> None:
    once = Corrupt(toy_env(), "sound:gaussian_noise:0.01")
    twice = Corrupt(Corrupt(toy_env(), "sound:gaussian_noise:0.01"), "sound:gaussian_noise:0.01")
    truth = toy_env().reset(seed=0)[0]["sound"]
    noise = once.reset(seed=0)[0]["sound"] - truth
    added = twice.reset(seed=0)[0]["sound"] - truth - noise
    assert np.abs(added).max() > 1e-4
    assert not np.allclose(added, noise, atol=1e-4)


def test_vector_errors(toy_env: Any) -> None:
    inner = SyncVectorEnv([toy_env] * 2)
    venv = VectorMissingModalities(inner, 0.5)
    with pytest.raises(ValueError, match="`options\\['reset_mask'\\]` must be all True at the first `reset`"):
        venv.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(TypeError, match=r"`options\['reset_mask'\]` must be a numpy array of bool"):
        venv.reset(options={"reset_mask": [True, False]})
    with pytest.raises(ValueError, match=r"`seed`|seeds are passed"):
        venv.reset(seed=[1, 2, 3])
    with pytest.raises(TypeError, match=r"has no `state_dict\(\)`, so its exact state cannot be saved"):
        venv.state_dict()
    with pytest.raises(TypeError, match=r"has no `load_state_dict\(\)`"):
        venv.load_state_dict({})
    inner.metadata = {}
    with pytest.raises(ValueError, match=r"`metadata\[\"autoreset_mode\"\]` .* is None, expected"):
        VectorMissingModalities(inner, 0.5)


def test_state_of_another_wrapper_is_refused() -> None:
    def build(num_envs: int, steps: int) -> Any:
        return VectorCorrupt(gymnasium.make_vec(DEFAULT_WORLD, num_envs=num_envs), f"sound:delay:{steps}")

    venv = build(2, 1)
    venv.reset(seed=0)
    with pytest.raises(ValueError, match=r"`state` has memory .* expected .* saved by another wrapper"):
        build(2, 2).load_state_dict(venv.state_dict())
    with pytest.raises(ValueError, match="saved by another wrapper"):
        build(3, 1).load_state_dict(venv.state_dict())


def test_same_step_environment_without_final_observation_is_refused(toy_env: Any) -> None:
    inner = SyncVectorEnv([lambda: toy_env(limit=1)], autoreset_mode=AutoresetMode.SAME_STEP)
    true_step = inner.step
    inner.step = lambda actions: (*true_step(actions)[:4], {})  # type: ignore[method-assign]
    venv = VectorMissingModalities(inner, 0.5)
    venv.reset(seed=0)
    with pytest.raises(ValueError, match=r"`info\[\"final_obs\"\]` holds nothing for environment 0"):
        venv.step(venv.action_space.sample())

"""Record what the environment, its sensor wrappers and the collection of data yield."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import gymnasium
import numpy as np

from bench.record import api
from bench.record.digests import array_digest, digests

STEPS = 200
EPISODE_STEPS = 45
COUNT = 4
_PUBLISHED: dict[str, Any] = {"physics": "gym-0.19", "antialias": False, "initial_steps": 1}

WORLDS: Mapping[str, dict[str, Any]] = {
    "default": {},
    "image": {"modalities": ("image",)},
    "sound": {"modalities": ("sound",)},
    "gym-0.19": {"physics": "gym-0.19"},
    "binary": {"antialias": False},
    "initial steps": {"initial_steps": (1, 4)},
    "published": _PUBLISHED,
    "three frames": {"frame_stack": 3},
    "one frame": {"frame_stack": 1},
    "other receivers": {"receivers": ("right_middle", "left_top", "middle_bottom", "right_top", "left_middle")},
}

Wrap = Callable[[Any], Any]
LEVELS = {"gaussian_noise": 0.1, "salt_and_pepper": 0.2, "dead_sensor": None, "frozen_sensor": 0.4, "delay": 3}


def _wrappers() -> dict[str, Wrap]:
    """Corruptions of each modality, ways of missing, and all on top of each other."""
    found: dict[str, Wrap] = {
        f"{name} of {modality}": partial(api.corrupted, modality=modality, name=name, level=level)
        for name, level in LEVELS.items()
        for modality in ("image", "sound")
    }
    return {
        **found,
        "missing per episode": partial(api.with_missing, probability=0.4, per="episode", keep_one=True),
        "missing per step": partial(api.with_missing, probability=0.4, per="step", keep_one=True),
        "missing, none kept": partial(api.with_missing, probability=0.6, per="step", keep_one=False),
        "missing sound": partial(api.with_missing, probability={"sound": 0.5}, per="step", keep_one=True),
        "stacked": _stacked,
    }


def _stacked(env: Any) -> Any:
    noisy = api.corrupted(api.corrupted(env, "image", "gaussian_noise", 0.05), "sound", "gaussian_noise", 0.05)
    return api.with_missing(api.corrupted(noisy, "sound", "frozen_sensor", 0.3), 0.3, "step", True)


def record() -> dict[str, Any]:
    """Digests of random steps: each world and each wrapper, single and vector, in every way of starting over."""
    found: dict[str, Any] = {"single": {}, "vector": {}, "wrapped single": {}, "wrapped vector": {}}
    for name, options in WORLDS.items():
        found["single"][name] = _single(api.pendulum(render_mode="rgb_array", **options))
        found["vector"][name] = _vector(_make_vector("NextStep", **options))
    for mode in ("SameStep", "Disabled"):
        found["vector"][mode] = _vector(_make_vector(mode))
    for name, wrap in _wrappers().items():
        found["wrapped single"][name] = _single(wrap(api.pendulum()))
        for mode in ("NextStep", "SameStep", "Disabled"):
            found["wrapped vector"][f"{name}, {mode}"] = _vector(wrap(_make_vector(mode)))
    return found


def record_data() -> dict[str, Any]:
    """Digests of collected transitions and of generated data sets."""
    found: dict[str, Any] = {
        policy: digests(api.collected(500, policy, 0)) for policy in ("coverage", "random", "mixed")
    }
    found["coverage, three frames"] = digests(api.collected(500, "coverage", 1, frame_stack=3))
    found["coverage, sound"] = digests(api.collected(500, "coverage", 1, modalities=("sound",)))
    found["random, published"] = digests(api.collected(700, "random", 1, **_PUBLISHED))
    for name in ("mhd-offline", "mosei-offline"):
        found[name] = digests(api.data_set(name, 60, 30))
    return found


def _make_vector(mode: str, **options: Any) -> Any:
    return api.pendulum_vector(COUNT, max_episode_steps=EPISODE_STEPS, autoreset_mode=mode, **options)


def _single(env: gymnasium.Env[Any, Any]) -> dict[str, str]:
    """Digests of STEPS random steps of a single environment with new episodes in between."""
    rng = np.random.default_rng(5)
    observation, info = env.reset(seed=7)
    seen, rewards, states = [observation], [], [info["state"]]
    for step in range(1, STEPS + 1):
        if step % EPISODE_STEPS == 0:
            observation, info = env.reset()
        else:
            observation, reward, _, _, info = env.step(rng.uniform(-2.5, 2.5, 1).astype(np.float32))
            rewards.append(reward)
        seen.append(observation)
        states.append(info["state"])
    found = _digests(env.observation_space, seen) | digests({"state": np.array(states), "reward": np.array(rewards)})
    if env.render_mode == "rgb_array":
        found["picture"] = array_digest(env.render())
    env.close()
    return found


def _vector(env: Any) -> dict[str, str]:
    """Digests of STEPS random steps of a vector environment, last observations of episodes included."""
    rng = np.random.default_rng(6)
    disabled = env.metadata["autoreset_mode"] is gymnasium.vector.AutoresetMode.DISABLED
    observation, info = env.reset(seed=7)
    seen, last, rewards, states = [observation], [], [], [info["state"]]
    for step in range(1, STEPS + 1):
        actions = rng.uniform(-2.5, 2.5, (COUNT, 1)).astype(np.float32)
        observation, reward, _, truncated, info = env.step(actions)
        seen.append(observation)
        rewards.append(reward)
        states.append(info["state"])
        last += [final for final in info.get("final_obs", ()) if final is not None]
        mask = truncated if step % 20 else np.arange(COUNT) == step // 20 % COUNT
        if disabled and mask.any():
            observation, info = env.reset(options={"reset_mask": mask})
            seen.append(observation)
            states.append(info["state"])
    found = _digests(env.single_observation_space, seen)
    found |= digests({"state": np.array(states), "reward": np.array(rewards)})
    found |= {f"last {name}": array_digest(_stack(last, name)) for name in (last[0] if last else ())}
    env.close()
    return found


def _digests(space: gymnasium.Space[Any], seen: list[dict[str, Any]]) -> dict[str, str]:
    """Digests of all observations and of the bounds of the space, by modality."""
    assert isinstance(space, gymnasium.spaces.Dict)
    found = {name: array_digest(_stack(seen, name)) for name in sorted(space.spaces)}
    for name, box in space.spaces.items():
        if isinstance(box, gymnasium.spaces.Box):
            found[f"bounds of {name}"] = array_digest(np.stack([box.low, box.high]))
    return found


def _stack(seen: list[dict[str, Any]], name: str) -> Any:
    return np.stack([observation[name] for observation in seen])

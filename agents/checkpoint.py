"""State of a training for exact resume: everything that its next step depends on."""

from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.save_util import recursive_getattr

from anysense.agents.algorithms.noise import ExplorationNoise
from anysense.common.checkpoints import read_checkpoint
from anysense.common.errors import reading
from anysense.common.json_files import check_entries
from anysense.common.randomness import generator_states, restore_generators
from anysense.envs.sb3_adapter import GymnasiumVecEnv

__all__ = ["CHECKPOINT", "checkpoint_file", "model_state", "read_training", "restore_model"]

CHECKPOINT = "checkpoints/last.ckpt"
COUNTERS = ("num_timesteps", "_episode_num", "_n_updates", "_current_progress_remaining")
ATTRIBUTES = (*COUNTERS, "_last_obs", "_last_episode_starts")
EXPLORATION = ("_n_calls", "exploration_rate")
"""What DQN and QR-DQN have besides."""
REPLAY_ARRAYS = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
ADVICE = "Remove it to start from the beginning, or restore it from a copy."
SCHEMA = {
    "settings": dict,
    "average?": {"updates": range(2**62), "means": {str: object}},
    "training": {"curve": [dict], "seconds": {str: float}},
    "model": {
        "parameters": dict,
        "variables": dict,
        "attributes": {
            **dict.fromkeys(COUNTERS[:-1], range(2**62)),
            **dict.fromkeys(("_current_progress_remaining", "_last_obs", "_last_episode_starts"), object),
            "_n_calls?": range(2**62),
            "exploration_rate?": float,
        },
        "episodes": [dict],
        "action_space": dict,
        "environment": dict,
        "generators": dict,
        "noise?": dict,
        "replay?": {"pos": range(2**62), "full": bool, "arrays": dict},
    },
}


def checkpoint_file(folder: str | Path) -> Path | None:
    """The checkpoint of the training in `folder`, if there is one; one of an earlier release is refused on reading."""
    candidates = (Path(folder) / CHECKPOINT, Path(folder) / CHECKPOINT.replace(".ckpt", ".json"))
    return next((path for path in candidates if path.is_file()), None)


def read_training(path: Path) -> dict[str, Any]:
    """The content of a checkpoint of a training; FileFormatError where it is damaged or something else."""
    content: dict[str, Any] = read_checkpoint(path)
    with reading(path, ADVICE, "is not a checkpoint of a training"):
        check_entries(content, SCHEMA)
        if not content["training"]["curve"]:
            raise ValueError("its learning curve is empty")
    return content


def model_state(model: BaseAlgorithm, adapter: GymnasiumVecEnv) -> dict[str, Any]:
    """State of a model between two trainings, of its innermost environment, and of all random generators.

    Not included: a rollout buffer, which is empty then.
    """
    state: dict[str, Any] = {
        "parameters": model.get_parameters(),
        "variables": {name: recursive_getattr(model, name).detach().clone() for name in _variable_names(model)},
        "attributes": {name: getattr(model, name) for name in (*ATTRIBUTES, *EXPLORATION) if hasattr(model, name)},
        "episodes": list(model.ep_info_buffer or ()),
        "action_space": model.action_space.np_random.bit_generator.state,
        "environment": adapter.state_dict(),
        "generators": generator_states(),
    }
    if isinstance(noise := getattr(model, "action_noise", None), ExplorationNoise):
        state["noise"] = noise.state_dict()
    if isinstance(buffer := getattr(model, "replay_buffer", None), ReplayBuffer):
        state["replay"] = {"pos": buffer.pos, "full": buffer.full, "arrays": _recorded(buffer)}
    return state


def restore_model(model: BaseAlgorithm, adapter: GymnasiumVecEnv, state: Mapping[str, Any]) -> None:
    """Put a freshly built model of the same settings, its environment and the generators into a saved state.

    Raises:
        ValueError: The state is of a model with other settings.
    """
    try:
        model.set_parameters(state["parameters"], device=model.device)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"`state` is of a model with other networks: {error}") from error
    for name in _variable_names(model):
        recursive_getattr(model, name).data.copy_(state["variables"][name])
    for name, value in state["attributes"].items():
        setattr(model, name, value)
    model.ep_info_buffer = deque(state["episodes"], maxlen=model._stats_window_size)
    model.ep_success_buffer = deque(maxlen=model._stats_window_size)
    model.action_space.np_random.bit_generator.state = state["action_space"]
    adapter.load_state_dict(state["environment"])
    if isinstance(noise := getattr(model, "action_noise", None), ExplorationNoise):
        noise.load_state_dict(state["noise"])
    if isinstance(buffer := getattr(model, "replay_buffer", None), ReplayBuffer):
        _restore_replay(buffer, state["replay"])
    restore_generators(state["generators"])


def _variable_names(model: BaseAlgorithm) -> list[str]:
    """Tensors of a model outside its modules, such as the logarithm of the entropy weight."""
    return [name for name in model._get_torch_save_params()[1] if recursive_getattr(model, name) is not None]


def _recorded(buffer: ReplayBuffer) -> dict[str, Any]:
    """Views of what is filled of each array, by name; of an array per modality where observations are dictionaries."""
    arrays = {name: getattr(buffer, name) for name in REPLAY_ARRAYS}
    size = buffer.size()
    return {
        name: {key: value[:size] for key, value in array.items()} if isinstance(array, dict) else array[:size]
        for name, array in arrays.items()
    }


def _restore_replay(buffer: ReplayBuffer, state: Mapping[str, Any]) -> None:
    if state["pos"] >= buffer.buffer_size:
        raise ValueError(f"`state` is at place {state['pos']} of a replay memory of {buffer.buffer_size}.")
    buffer.pos, buffer.full = state["pos"], state["full"]
    for name, own in _recorded(buffer).items():
        saved = state["arrays"][name]
        pairs = [(own[key], saved[key]) for key in own] if isinstance(own, dict) else [(own, saved)]
        for target, source in pairs:
            if source.shape != target.shape:
                raise ValueError(f"`state` holds replay data of shape {source.shape}; this model keeps {target.shape}.")
            target[...] = source

"""Checkpoints for exact resume: everything that the next training step depends on, without pickled objects.

A folder holds one data file (tensors and plain values, read with ``weights_only=True``) and ``last.json``, which names
it with its SHA-256. Renaming ``last.json`` is the moment from which the new checkpoint counts; older data files are
removed after that. A kill at any point leaves the previous or the new checkpoint whole.
"""

from collections import deque
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.save_util import recursive_getattr

from anysense.agents.algorithms.noise import ExplorationNoise
from anysense.common.files import replace_file, sha256_of, write_json
from anysense.common.json_files import read_description
from anysense.common.randomness import generator_states, restore_generators
from anysense.envs.sb3_adapter import GymnasiumVecEnv

__all__ = ["has_checkpoint", "load_checkpoint", "model_state", "restore_model", "save_checkpoint"]

CHECKPOINT_FORMAT = "anysense-checkpoint"
CHECKPOINT_FORMAT_VERSION = 2
DESCRIPTION_FILE = "last.json"
COUNTERS = ("num_timesteps", "_episode_num", "_n_updates", "_current_progress_remaining")
ATTRIBUTES = (*COUNTERS, "_last_obs", "_last_episode_starts")
REPLAY_ARRAYS = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def has_checkpoint(folder: str | Path) -> bool:
    """Whether there is a checkpoint in `folder`."""
    return (Path(folder) / DESCRIPTION_FILE).is_file()


def save_checkpoint(folder: str | Path, state: Mapping[str, Any], steps: int) -> None:
    """Write a checkpoint in the place of the one in `folder`; the environment steps so far name its file.

    The state consists of nested dictionaries, lists and tuples of arrays, tensors and plain values.
    """
    folder = Path(folder)
    path = folder / f"step_{steps:09d}.pt"

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:  # given a path, torch.save hides why it cannot write
            torch.save(_packed(state), file)

    replace_file(path, write)
    description = {
        "format": CHECKPOINT_FORMAT,
        "format_version": CHECKPOINT_FORMAT_VERSION,
        "anysense_version": version("anysense"),
        "steps": steps,
        "file": path.name,
        "sha256": sha256_of(path),
    }
    write_json(folder / DESCRIPTION_FILE, description)
    for other in folder.glob("step_*.pt"):
        if other != path:
            other.unlink(missing_ok=True)


def load_checkpoint(folder: str | Path) -> dict[str, Any]:
    """Read the checkpoint in `folder`; tensors come to the CPU.

    Raises:
        FileNotFoundError: There is none, or its data file is missing.
        ValueError: It is damaged, altered, or of another version.
    """
    described = Path(folder) / DESCRIPTION_FILE
    description = read_description(described, CHECKPOINT_FORMAT, CHECKPOINT_FORMAT_VERSION, "a checkpoint")
    path = Path(folder) / Path(str(description.get("file"))).name
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` is missing, but {DESCRIPTION_FILE} names it; start a new training.")
    if sha256_of(path) != description.get("sha256"):
        raise ValueError(
            f"`{path}` is truncated or altered: its SHA-256 is not the one in {DESCRIPTION_FILE}. Start a new training."
        )
    state: dict[str, Any] = _unpacked(torch.load(path, map_location="cpu", weights_only=True))
    return state


def model_state(model: BaseAlgorithm, adapter: GymnasiumVecEnv) -> dict[str, Any]:
    """State of a model between two trainings, of its innermost environment, and of all random generators.

    Not included: a rollout buffer, which is empty then.
    """
    state: dict[str, Any] = {
        "parameters": model.get_parameters(),
        "variables": {name: recursive_getattr(model, name).detach().clone() for name in _variable_names(model)},
        "attributes": {name: getattr(model, name) for name in ATTRIBUTES},
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
    buffer.pos, buffer.full = state["pos"], state["full"]
    for name, own in _recorded(buffer).items():
        saved = state["arrays"][name]
        pairs = [(own[key], saved[key]) for key in own] if isinstance(own, dict) else [(own, saved)]
        for target, source in pairs:
            if source.shape != target.shape:
                raise ValueError(f"`state` holds replay data of shape {source.shape}; this model keeps {target.shape}.")
            target[...] = source


def _packed(value: Any) -> Any:
    """The same with marked tensors in the place of arrays, which ``torch.load(weights_only=True)`` does not read."""
    if isinstance(value, np.ndarray):
        return {"__array__": torch.from_numpy(np.require(value, requirements=["C", "W"]))}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {key: _packed(entry) for key, entry in value.items()}
    return type(value)(map(_packed, value)) if isinstance(value, list | tuple) else value


def _unpacked(value: Any) -> Any:
    if isinstance(value, dict):
        if "__array__" in value:
            return value["__array__"].numpy()
        return {key: _unpacked(entry) for key, entry in value.items()}
    return type(value)(map(_unpacked, value)) if isinstance(value, list | tuple) else value

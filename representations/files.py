"""A saved representation: a folder with weights (safetensors) and everything else (JSON). No pickle.

The JSON names the SHA-256 of the weights, and its renaming is the moment from which the folder holds the new
representation: a kill at any point leaves either the old or the new one whole.
"""

import hashlib
import math
import os
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch.overrides import TorchFunctionMode

from anysense.common.errors import reading
from anysense.common.files import check_sha256, current_folder, sha256_of, write_bytes, write_json
from anysense.common.hub.download import local_folder
from anysense.common.machine import resolve_device, usual_torch
from anysense.common.tensors import Form, check_forms, forms_in, forms_of, read_tensors
from anysense.representations.contract import Representation
from anysense.representations.description import (
    DESCRIPTION_FILE,
    FORMAT,
    FORMAT_VERSION,
    REPRESENTATION,
    WEIGHTS_FILE,
    read_representation_description,
)
from anysense.representations.latents import LatentStatistics
from anysense.representations.modality import Modality, modalities_from_json
from anysense.representations.networks.catalogue import networks
from anysense.representations.registry import METHODS, build
from anysense.representations.settings import settings_from

__all__ = [
    "FORMAT_VERSION",
    "load_representation",
    "save_representation",
]

PENDING_FILE = "representation.safetensors.new"
MAX_NUMBERS = 2**24
"""Most numbers in one sample of all modalities together; constants of this size are computed when it is built."""
CALLS, CALLS_PER_TENSOR = 4_000, 50
"""How often torch may be called to plan a representation: in all, and more for each tensor in its file."""
ADVICE = "Save or copy the representation again; it may need another release of anysense."


def save_representation(representation: Representation, folder: str | Path, half: bool = False) -> None:
    """Writes ``representation`` into ``folder`` (made if needed), replacing the representation that may be there.

    Args:
        representation: What to save.
        folder: Where.
        half: Store numbers as float16, in half the space; they are float32 again when loaded, with 11 exact bits.

    Raises:
        OSError: The folder cannot be written; the message says what to do.
    """
    folder, family = Path(folder), representation.networks
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in representation.state_dict().items()}
    if half:
        state = {name: it.half() if it.dtype == torch.float32 else it for name, it in state.items()}
    weights = safetensors.torch.save(state)
    description = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "anysense_version": version("anysense"),
        "method": representation.method,
        "settings": asdict(representation.settings),
        "networks": None if family is None else {"family": family.name, "settings": asdict(family.settings)},
        "modalities": [modality.to_json() for modality in representation.modalities.values()],
        "world": representation.world,
        "latents": None if representation.latents is None else representation.latents.to_json(),
        "latent_dim": representation.latent_dim,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    write_bytes(folder / PENDING_FILE, weights)
    write_json(folder / DESCRIPTION_FILE, description)
    os.replace(folder / PENDING_FILE, folder / WEIGHTS_FILE)


@usual_torch()
def load_representation(folder: str | Path, device: str | torch.device = "cpu") -> Representation:
    """Restores a saved representation in eval mode and without gradients; no random generator is touched.

    ``folder`` is one on this machine, or ``hub:OWNER/NAME@REVISION`` for one on a hub (a string or a path). Nothing is
    built before the description is checked, and before names, shapes and dtypes of all weights are those of the file: a
    description that claims more takes no memory.

    Raises:
        TypeError: `folder` is no path.
        ValueError: ``device`` is not on this machine.
        FileNotFoundError: The folder or one of its two files is missing.
        FileFormatError: Something in it is damaged, altered, incomplete, or of another version or method.
        ImportError: The package that offers its method or its networks cannot be imported.
        PermissionError, ConnectionError: As `anysense.common.hub.download.downloaded`.
    """
    target = resolve_device(device)
    folder = current_folder(local_folder(folder, REPRESENTATION))
    description = read_representation_description(folder)
    path = _weights_file(folder, description["weights_sha256"])
    forms = forms_in(path, ADVICE)
    with reading(folder / DESCRIPTION_FILE, ADVICE):
        latents = _latents(description)
        make, plan = _planned(description, CALLS + CALLS_PER_TENSOR * len(forms))
    with reading(path, ADVICE, f"does not fit the architecture in {DESCRIPTION_FILE}"):
        check_forms(_widened(forms), forms_of(plan.state_dict()))
    representation = make()
    representation.load_state_dict(read_tensors(path, ADVICE, forms)[0])
    representation.world, representation.latents = description["world"], latents
    return representation.requires_grad_(False).eval().to(target)


def _weights_file(folder: Path, sha256: str) -> Path:
    """The weights that the description names; under the pending name if a kill came before the last renaming."""
    pending = folder / PENDING_FILE
    if pending.is_file() and sha256_of(pending) == sha256:
        return pending
    check_sha256(folder / WEIGHTS_FILE, sha256, DESCRIPTION_FILE)
    return folder / WEIGHTS_FILE


def _widened(forms: dict[str, Form]) -> dict[str, Form]:
    """Forms of the tensors after loading, which makes float32 of float16."""
    return {name: (torch.float32 if dtype == torch.float16 else dtype, shape) for name, (dtype, shape) in forms.items()}


def _latents(description: dict[str, Any]) -> LatentStatistics | None:
    latents, size = LatentStatistics.from_json(description.get("latents")), description["latent_dim"]
    if latents is not None and len(latents.mean) != size:
        raise ValueError(f"`latents` describes {len(latents.mean)} dimensions, but `latent_dim` is {size}")
    return latents


def _planned(description: dict[str, Any], calls: int) -> tuple[Callable[[], Representation], Representation]:
    """How to build the representation, and the same without memory for its tensors (on the device ``meta``)."""
    method, family = description["method"], description["networks"]
    settings = settings_from(METHODS.get(method).settings_class, description["settings"], method)
    chosen = None if family is None else networks(family["family"], **family["settings"])
    modalities = _checked_modalities(description["modalities"])
    with torch.random.fork_rng(devices=[]), torch.device("meta"), _LimitedCalls(calls):
        plan = METHODS.get(method)(modalities, settings, chosen)
    if plan.latent_dim != description["latent_dim"]:
        raise ValueError(f"`latent_dim` is {description['latent_dim']}, but the settings give {plan.latent_dim}")
    return lambda: build(method, modalities, settings, chosen), plan


class _LimitedCalls(TorchFunctionMode):
    """Stops what calls torch more often than it should; a description may claim millions of layers."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.left = most

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.left -= 1
        if self.left < 0:
            raise ValueError("it describes far more layers than its weights are for")
        return func(*args, **(kwargs or {}))


def _checked_modalities(values: list[dict[str, Any]]) -> dict[str, Modality]:
    modalities = modalities_from_json(values)
    if len(modalities) < len(values):
        raise ValueError(f"`modalities` holds one name twice; got {[value['name'] for value in values]}")
    numbers = sum(math.prod(modality.shape) for modality in modalities.values())
    if numbers > MAX_NUMBERS:
        raise ValueError(f"`modalities` claims {numbers} numbers in one sample; expected at most {MAX_NUMBERS}")
    return modalities

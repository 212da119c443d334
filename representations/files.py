"""A saved representation: a folder with weights (safetensors) and everything else (JSON). No pickle.

The JSON names the SHA-256 of the weights, and its renaming is the moment from which the folder holds the new
representation: a kill at any point leaves either the old or the new one whole.
"""

import hashlib
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from anysense.common.errors import unknown_name
from anysense.common.files import write_bytes, write_json
from anysense.common.json_files import read_description
from anysense.representations.contract import Representation
from anysense.representations.modality import Modality, modalities_from_json
from anysense.representations.networks.catalogue import networks
from anysense.representations.registry import METHODS, build
from anysense.representations.settings import settings_from

__all__ = [
    "FORMAT_VERSION",
    "RepresentationFileError",
    "load_representation",
    "read_representation_description",
    "save_representation",
]

FORMAT = "anysense-representation"
FORMAT_VERSION = 3
DESCRIPTION_FILE = "representation.json"
WEIGHTS_FILE = "representation.safetensors"
PENDING_FILE = "representation.safetensors.new"
ENTRIES: dict[str, Any] = {
    "method": str,
    "settings": dict,
    "networks": {"family": str, "settings": dict},
    "modalities": list,
    "world": {"id": str, "options": dict},
    "latent_dim": int,
    "weights_sha256": str,
}
"""Type of every entry; an entry with entries of its own may be null."""
MAX_NUMBERS = 2**24
"""Most numbers in one sample of all modalities together; constants of this size are computed when it is built."""
LONGEST_REASON = 300
"""Most characters of what torch says about a description that does not fit."""
WHAT = "a saved representation"


class RepresentationFileError(ValueError):
    """A saved representation is damaged, altered, or of another version or method."""


def save_representation(representation: Representation, folder: str | Path) -> None:
    """Writes ``representation`` into ``folder`` (made if needed), replacing the representation that may be there.

    Raises:
        OSError: The folder cannot be written; the message says what to do.
    """
    folder, family = Path(folder), representation.networks
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in representation.state_dict().items()}
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
        "latent_dim": representation.latent_dim,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    write_bytes(folder / PENDING_FILE, weights)
    write_json(folder / DESCRIPTION_FILE, description)
    os.replace(folder / PENDING_FILE, folder / WEIGHTS_FILE)


def load_representation(folder: str | Path, device: str | torch.device = "cpu") -> Representation:
    """Restores a saved representation in eval mode and without gradients; no random generator is touched.

    Nothing is built before the description is checked, and before names, shapes and dtypes of all weights are those of
    the file: a description that claims more takes no memory.

    Raises:
        FileNotFoundError: The folder or one of its two files is missing.
        RepresentationFileError: Something in it is damaged, altered, incomplete, or of another version or method.
        ImportError: The package that offers its method or its networks cannot be imported.
    """
    folder = Path(folder)
    path, description = folder / DESCRIPTION_FILE, read_representation_description(folder)
    weights = _read_weights(folder, description["weights_sha256"])
    plan, make = _planned(path, description)
    _check_tensors(folder / WEIGHTS_FILE, weights, plan.state_dict())
    representation = make()
    representation.load_state_dict(weights)
    representation.world = description["world"]
    return representation.requires_grad_(False).eval().to(device)


def read_representation_description(folder: str | Path) -> dict[str, Any]:
    """What a saved representation says of itself, checked, without its weights: method, networks, modalities, world.

    Raises:
        FileNotFoundError: The folder or the file is missing.
        RepresentationFileError: The file is damaged, incomplete, or of another version.
    """
    path = Path(folder) / DESCRIPTION_FILE
    try:
        description = read_description(path, FORMAT, FORMAT_VERSION, WHAT)
    except ValueError as error:
        raise RepresentationFileError(str(error)) from error
    _check_entries(path, description, ENTRIES)
    return description


def _check_entries(path: Path, description: dict[str, Any], entries: dict[str, Any], within: str = "") -> None:
    absent = [entry for entry in entries if entry not in description]
    if absent:
        raise RepresentationFileError(f"{path} is damaged: {within}it lacks {absent}. Save or copy {WHAT} again.")
    for entry, kind in entries.items():
        value, nested = description[entry], isinstance(kind, dict)
        if nested and value is None:
            continue
        if type(value) is not (dict if nested else kind):
            wanted = "dict or null" if nested else kind.__name__
            raise RepresentationFileError(f"{path} is damaged: {within}`{entry}` must be a {wanted}; got {value!r}.")
        if nested:
            _check_entries(path, value, kind, f"in `{entry}` ")


def _read_weights(folder: Path, sha256: str) -> dict[str, Tensor]:
    """Weights that the description names; under the pending name if a kill came before the last renaming."""
    candidates = [path for path in (folder / WEIGHTS_FILE, folder / PENDING_FILE) if path.is_file()]
    if not candidates:
        raise FileNotFoundError(
            f"{folder / WEIGHTS_FILE} is missing; copy the whole folder of the saved representation."
        )
    for path in candidates:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() == sha256:
            return _parsed(path, content)
    raise RepresentationFileError(
        f"{folder / WEIGHTS_FILE} is truncated or altered: its SHA-256 is not the one in {DESCRIPTION_FILE}. "
        "Save or copy the representation again."
    )


def _parsed(path: Path, content: bytes) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise RepresentationFileError(
            f"{path} is not a safetensors file ({error}). Save the representation again."
        ) from error


def _planned(path: Path, description: dict[str, Any]) -> tuple[Representation, Callable[[], Representation]]:
    """The representation without memory for its tensors (on the device ``meta``), and how to build it."""
    method, family = description["method"], description["networks"]
    if method not in METHODS:
        raise RepresentationFileError(
            f"{path}: {unknown_name('method', method, METHODS.names())} It may need another release of anysense."
        )
    with _damage(path):
        settings = settings_from(METHODS.get(method).settings_class, description["settings"], method)
        chosen = None if family is None else networks(family["family"], **family["settings"])
        modalities = _checked_modalities(description["modalities"])
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            plan = METHODS.get(method)(modalities, settings, chosen)
    if plan.latent_dim != description["latent_dim"]:
        raise RepresentationFileError(
            f"{path} is damaged: `latent_dim` is {description['latent_dim']!r}, but the settings give "
            f"{plan.latent_dim}."
        )
    return plan, lambda: build(method, modalities, settings, chosen)


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Whatever is wrong with what a description says is damage of the file."""
    try:
        yield
    except (TypeError, ValueError, OverflowError, RuntimeError, MemoryError) as error:
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise RepresentationFileError(f"{path} is damaged: {first_line[:LONGEST_REASON]}") from error


def _checked_modalities(values: list[Any]) -> dict[str, Modality]:
    for value in values:
        if not isinstance(value, dict):
            raise TypeError(f"`modalities` must hold dicts; got {value!r}.")
    modalities = modalities_from_json(values)
    if len(modalities) < len(values):
        raise ValueError(f"`modalities` holds one name twice; got {[value['name'] for value in values]}.")
    numbers = sum(math.prod(modality.shape) for modality in modalities.values())
    if numbers > MAX_NUMBERS:
        raise ValueError(f"`modalities` claims {numbers} numbers in one sample; expected at most {MAX_NUMBERS}.")
    return modalities


def _check_tensors(path: Path, found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    missing, extra = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    if missing or extra:
        raise RepresentationFileError(
            f"{path} does not fit the architecture in {DESCRIPTION_FILE}: missing {_some(missing)}, unexpected "
            f"{_some(extra)}."
        )
    for name, tensor in expected.items():
        if found[name].shape != tensor.shape or found[name].dtype != tensor.dtype:
            raise RepresentationFileError(
                f"{path} does not fit the architecture in {DESCRIPTION_FILE}: {name} must be {tensor.dtype} "
                f"{tuple(tensor.shape)}; got {found[name].dtype} {tuple(found[name].shape)}."
            )


def _some(names: list[str]) -> str:
    return f"{names[:3]} and {len(names) - 3} more" if len(names) > 3 else f"{names}"

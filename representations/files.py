"""A saved representation: a folder with weights (safetensors) and everything else (JSON). No pickle.

Both files are written under other names and renamed. The JSON names the SHA-256 of the weights, and its renaming is
the moment from which the folder holds the new representation: a kill at any point leaves either the old or the new
one whole.
"""

import hashlib
import json
import os
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
from anysense.representations.contract import Representation
from anysense.representations.modality import Modality, modalities_from_json
from anysense.representations.networks.catalogue import networks
from anysense.representations.registry import METHODS, build
from anysense.representations.settings import settings_from

__all__ = ["FORMAT_VERSION", "RepresentationFileError", "load_representation", "save_representation"]

FORMAT = "anysense-representation"
FORMAT_VERSION = 3
DESCRIPTION_FILE = "representation.json"
WEIGHTS_FILE = "representation.safetensors"
PENDING_FILE = "representation.safetensors.new"
ENTRIES: dict[str, Any] = {
    "method": str,
    "settings": dict,
    "networks": dict | None,
    "modalities": list,
    "world": dict | None,
    "latent_dim": int,
    "weights_sha256": str,
}


class RepresentationFileError(ValueError):
    """A saved representation is damaged, altered, or of another version or method."""


def save_representation(representation: Representation, folder: str | Path) -> None:
    """Writes ``representation`` into ``folder`` (made if needed), replacing the representation that may be there."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in representation.state_dict().items()}
    weights = safetensors.torch.save(state)
    family = representation.networks
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

    Raises:
        FileNotFoundError: The folder or one of its two files is missing.
        RepresentationFileError: Something in it is damaged, altered, incomplete, or of another version or method.
    """
    folder = Path(folder)
    description = _read_description(folder)
    weights = _read_weights(folder, description["weights_sha256"])
    representation = _rebuild(folder / DESCRIPTION_FILE, description)
    _check_tensors(folder / WEIGHTS_FILE, weights, representation.state_dict())
    representation.load_state_dict(weights)
    return representation.requires_grad_(False).eval().to(device)


def _read_description(folder: Path) -> dict[str, Any]:
    path = folder / DESCRIPTION_FILE
    if not folder.exists():
        raise FileNotFoundError(
            f"`folder` {folder} does not exist; expected a folder with {DESCRIPTION_FILE} and {WEIGHTS_FILE}."
        )
    if not folder.is_dir():
        raise RepresentationFileError(
            f"`folder` {folder} is a file; pass the folder that holds {DESCRIPTION_FILE} and {WEIGHTS_FILE}."
        )
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing; {folder} is no saved representation, or an incomplete copy of one."
        )
    try:
        description = json.loads(path.read_bytes())
    except ValueError as error:
        raise RepresentationFileError(
            f"{path} is damaged: not valid JSON ({error}). Save or copy the representation again."
        ) from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise RepresentationFileError(
            f'{path} does not describe a representation: expected an entry "format": {FORMAT!r}.'
        )
    if description.get("format_version") != FORMAT_VERSION:
        raise RepresentationFileError(
            f"{path} has format version {description.get('format_version')!r}; this release of anysense reads version "
            f"{FORMAT_VERSION}. It was written by anysense {description.get('anysense_version', '(unknown)')}: "
            "use that release."
        )
    _check_entries(path, description)
    return description


def _check_entries(path: Path, description: dict[str, Any]) -> None:
    absent = [entry for entry in ENTRIES if entry not in description]
    if absent:
        raise RepresentationFileError(f"{path} is damaged: it lacks {absent}. Save or copy the representation again.")
    for entry, kind in ENTRIES.items():
        if not isinstance(description[entry], kind):
            raise RepresentationFileError(
                f"{path} is damaged: `{entry}` must be a {getattr(kind, '__name__', kind)}; got {description[entry]!r}."
            )


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


def _rebuild(path: Path, description: dict[str, Any]) -> Representation:
    method = description["method"]
    if method not in METHODS:
        raise RepresentationFileError(
            f"{path}: {unknown_name('method', method, METHODS.names())} It may need another release of anysense."
        )
    try:
        settings = settings_from(METHODS.get(method).settings_class, description["settings"], method)
        family = description["networks"]
        chosen = None if family is None else networks(family["family"], **family["settings"])
        modalities: dict[str, Modality] = modalities_from_json(description["modalities"])
        representation = build(method, modalities, settings, chosen)
        representation.world = description["world"]
    except (TypeError, ValueError) as error:
        raise RepresentationFileError(f"{path} is damaged: {error}") from error
    if representation.latent_dim != description["latent_dim"]:
        raise RepresentationFileError(
            f"{path} is damaged: `latent_dim` is {description['latent_dim']!r}, but the settings give "
            f"{representation.latent_dim}."
        )
    return representation


def _check_tensors(path: Path, found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    missing, extra = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    if missing or extra:
        raise RepresentationFileError(
            f"{path} does not fit the architecture in {DESCRIPTION_FILE}: missing {missing}, unexpected {extra}."
        )
    for name, tensor in expected.items():
        if found[name].shape != tensor.shape or found[name].dtype != tensor.dtype:
            raise RepresentationFileError(
                f"{path} does not fit the architecture in {DESCRIPTION_FILE}: {name} must be {tensor.dtype} "
                f"{tuple(tensor.shape)}; got {found[name].dtype} {tuple(found[name].shape)}."
            )

"""What a saved representation says of itself: its JSON file."""

from pathlib import Path
from typing import Any

from anysense.common.files import check_sha256, current_folder
from anysense.common.hub.download import Export, local_folder
from anysense.common.json_files import read_description

__all__ = [
    "DESCRIPTION_FILE",
    "FORMAT",
    "FORMAT_VERSION",
    "REPRESENTATION",
    "WEIGHTS_FILE",
    "check_representation_files",
    "read_representation_description",
]

FORMAT = "anysense-representation"
FORMAT_VERSION = 3
DESCRIPTION_FILE = "representation.json"
WEIGHTS_FILE = "representation.safetensors"
SCHEMA: dict[Any, Any] = {
    "method": str,
    "settings": dict,
    "networks": (None, {"family": str, "settings": dict}),
    "modalities": [
        {
            "name": str,
            "shape": [range(1, 2**31)],
            "dtype": str,
            "low": object,
            "high": object,
            "kind?": str,
            "image_size?": range(1, 2**31),
            "grey?": bool,
        }
    ],
    "world": (None, {"id": str, "options": dict}),
    "latents?": (None, {"mean": [float], "deviation": [float]}),
    "latent_dim": range(1, 2**31),
    "weights_sha256": str,
}


def read_representation_description(folder: str | Path) -> dict[str, Any]:
    """What a saved representation says of itself, checked, without its weights: method, networks, modalities, world.

    Raises:
        FileNotFoundError: The folder or the file is missing.
        FileFormatError: The file is damaged, incomplete, or of another version.
    """
    folder = current_folder(local_folder(folder, REPRESENTATION))
    return read_description(folder / DESCRIPTION_FILE, FORMAT, FORMAT_VERSION, "a saved representation", SCHEMA)


def check_representation_files(folder: Path) -> None:
    """Check that the weights in a folder are those that its description names; raises as `check_sha256`."""
    described = read_representation_description(folder)
    check_sha256(folder / WEIGHTS_FILE, described["weights_sha256"], DESCRIPTION_FILE)


REPRESENTATION = Export(
    "representation",
    DESCRIPTION_FILE,
    weights=(WEIGHTS_FILE,),
    check=check_representation_files,
    inside=("representation",),
)
"""A saved representation on a hub, by itself or inside an agent."""

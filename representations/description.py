"""What a saved representation says of itself: its JSON file."""

from pathlib import Path
from typing import Any

from anysense.common.files import current_folder
from anysense.common.json_files import read_description

__all__ = ["DESCRIPTION_FILE", "FORMAT", "FORMAT_VERSION", "read_representation_description"]

FORMAT = "anysense-representation"
FORMAT_VERSION = 3
DESCRIPTION_FILE = "representation.json"
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
    return read_description(
        current_folder(folder) / DESCRIPTION_FILE, FORMAT, FORMAT_VERSION, "a saved representation", SCHEMA
    )

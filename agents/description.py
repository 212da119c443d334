"""What an exported agent says of itself, and the files that it consists of."""

from pathlib import Path
from typing import Any

from anysense.common.files import check_sha256
from anysense.common.hub.download import Export
from anysense.common.json_files import read_description
from anysense.representations.description import DESCRIPTION_FILE as REPRESENTATION_DESCRIPTION
from anysense.representations.description import WEIGHTS_FILE, check_representation_files

__all__ = [
    "AGENT",
    "AGENT_FORMAT",
    "AGENT_FORMAT_VERSION",
    "DESCRIPTION_FILE",
    "POLICY_FILE",
    "REPRESENTATION_FOLDER",
    "WEIGHTS_FILE",
    "read_agent_description",
]

AGENT_FORMAT = "anysense-agent"
AGENT_FORMAT_VERSION = 2
DESCRIPTION_FILE = "agent.json"
POLICY_FILE = "policy.safetensors"
REPRESENTATION_FOLDER = "representation"
SCHEMA: dict[Any, Any] = {
    "algorithm": str,
    "modalities": [str],
    "actor": dict,
    "world": {"id": str, "options": dict},
    "facts": dict,
    "passthrough?": [{"name": str, "shape": [range(2**24)]}],
    "standardise?": bool,
    "symmetric?": bool,
    "policy_sha256": str,
    "representation_sha256": str,
}


def read_agent_description(folder: Path) -> dict[str, Any]:
    """What an exported agent says of itself, checked, and compared with the content of the files beside it.

    Raises:
        FileNotFoundError: The folder or one of its files is missing.
        FileFormatError: The description is damaged or of another version, or a file is not the one that it names.
    """
    description = read_description(
        folder / DESCRIPTION_FILE, AGENT_FORMAT, AGENT_FORMAT_VERSION, "an exported agent", SCHEMA
    )
    check_sha256(folder / POLICY_FILE, description["policy_sha256"], DESCRIPTION_FILE)
    weights = folder / REPRESENTATION_FOLDER / WEIGHTS_FILE
    check_sha256(weights, description["representation_sha256"], DESCRIPTION_FILE)
    return description


def _check_files(folder: Path) -> None:
    read_agent_description(folder)
    check_representation_files(folder / REPRESENTATION_FOLDER)


AGENT = Export(
    "agent",
    DESCRIPTION_FILE,
    weights=(POLICY_FILE, f"{REPRESENTATION_FOLDER}/{WEIGHTS_FILE}"),
    more=(f"{REPRESENTATION_FOLDER}/{REPRESENTATION_DESCRIPTION}",),
    check=_check_files,
)
"""An exported agent on a hub."""

"""What a command was given of a hub: pinned to its commit, recorded with its content, and the same when it goes on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anysense.agents.description import AGENT
from anysense.common.files import sha256_of
from anysense.common.hub.download import Export, downloaded, of_hub
from anysense.common.hub.reference import PREFIX, Reference
from anysense.representations.description import REPRESENTATION

__all__ = ["ENTRIES", "content_of", "downloaded_again", "pinned"]

ENTRIES = {"hub?": str, "files?": {str: str}}
"""Schema of what `content_of` gives."""
_EXPORTS = (AGENT, REPRESENTATION)
_REPRESENTATIONS = "--representation"
_PLAIN = ("-h", "--help", "--name", "--out")
"""Options that ask for no work, or whose value is never a reference."""


def pinned(arguments: Sequence[str]) -> list[str]:
    """The arguments with the commit of everything that they name on a hub; it is downloaded before anything else.

    So a command, its record and whatever goes on with it have the same content, whatever the branch is meanwhile.
    """
    if any(argument in _PLAIN[:2] for argument in arguments):
        return list(arguments)
    found: list[str] = []
    for place, argument in enumerate(arguments):
        option, sign, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
        before = option or (arguments[place - 1] if place else "")
        if value.startswith(PREFIX) and before not in _PLAIN:
            export = REPRESENTATION if before == _REPRESENTATIONS else AGENT
            value = of_hub(downloaded(Reference.parse(value), export)) or value
        found.append(f"{option}{sign}{value}")
    return found


def content_of(path: Path) -> dict[str, Any]:
    """What a record keeps of a folder that came from a hub: reference and SHA-256 of each file; nothing of others."""
    reference = of_hub(path)
    export = next((one for one in _EXPORTS if (path / one.description).is_file()), None)
    if reference is None or export is None:
        return {}
    return {"hub": reference, "files": {name: sha256_of(path / name) for name in export.files}}


def downloaded_again(option: str, recorded: Mapping[str, Any]) -> Path:
    """The folder in the cache of what a record names by `content_of`.

    Raises:
        FileNotFoundError, ConnectionError: It is neither in the cache nor on the hub.
        ValueError: Its content is another one now.
    """
    export = _export_of(recorded)
    folder = downloaded(Reference.parse(recorded["hub"]), export)
    for name in export.files:
        if sha256_of(folder / name) != recorded["files"].get(name):
            raise ValueError(
                f"`{option}`: {name} of `{recorded['hub']}` has another SHA-256 than the record says. Restore the "
                f"record, or remove `{folder}` to download it again."
            )
    return folder


def _export_of(recorded: Mapping[str, Any]) -> Export:
    names = set(recorded.get("files", ()))
    found = next((export for export in _EXPORTS if set(export.files) == names), None)
    if found is None:
        raise ValueError(
            f"the record names {sorted(names)} of `{recorded['hub']}`, which is no export; it was altered."
        )
    return found

"""What something on a hub is called: ``hub:OWNER/NAME`` or ``hub:OWNER/NAME@REVISION``."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

__all__ = ["PREFIX", "USUAL_REVISION", "Reference", "check_repo", "check_revision", "reference_in", "reference_of"]

PREFIX = "hub:"
USUAL_REVISION = "main"
FORM = "hub:OWNER/NAME or hub:OWNER/NAME@REVISION"

_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
_REPO = re.compile(rf"(?:{_PART}/)?{_PART}")
_REVISION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,253}[A-Za-z0-9])?")
_COMMIT = re.compile("[0-9a-f]{40}")
_STORED = re.compile(r"models--(.+)")


@dataclass(frozen=True)
class Reference:
    """A repository on a hub and a revision of it: a branch, a tag, or a commit, which always holds the same."""

    repo: str
    revision: str = USUAL_REVISION

    @classmethod
    def parse(cls, text: str) -> Self:
        """The reference that was typed; ValueError where it is not written as one."""
        repo, at, revision = text.removeprefix(PREFIX).partition("@")
        try:
            return cls(check_repo(repo), check_revision(revision) if at else USUAL_REVISION)
        except ValueError as error:
            raise ValueError(f"{text!r} is not written as {FORM}: {error}") from error

    @property
    def is_commit(self) -> bool:
        """Whether the revision is a commit."""
        return _COMMIT.fullmatch(self.revision) is not None

    def at(self, revision: str) -> Self:
        """Another revision of the same repository."""
        return replace(self, revision=revision)

    def __str__(self) -> str:
        return f"{PREFIX}{self.repo}{'' if self.revision == USUAL_REVISION else f'@{self.revision}'}"


def check_repo(name: str, without_owner: bool = False) -> str:
    """The name of a repository; ValueError if a hub cannot have one of that name, or no owner is named.

    ``without_owner`` takes a name alone as well.
    """
    owned = without_owner or "/" in name
    if not owned or not _REPO.fullmatch(name) or "--" in name or ".." in name or name.endswith(".git"):
        raise ValueError(
            "`repo` must be OWNER/NAME, each of at most 96 letters, digits, '.', '_' and '-', which neither begin nor "
            f"end with a sign, without '--', '..' and '.git'; got {name!r}."
        )
    return name


def check_revision(name: str) -> str:
    """The name of a branch or a tag, or a commit; ValueError if there cannot be one of that name."""
    if not _REVISION.fullmatch(name) or ".." in name or "//" in name:
        raise ValueError(
            "`revision` must be the name of a branch or a tag, or a commit: letters, digits, '.', '_', '-' and '/'; "
            f"got {name!r}."
        )
    return name


def reference_in(path: object) -> Reference | None:
    """The reference that stands in the place of a folder; None where ``path`` is none. ValueError as `parse`."""
    text = path.as_posix() if isinstance(path, Path) else path
    return Reference.parse(text) if isinstance(text, str) and text.startswith(PREFIX) else None


def reference_of(path: Path) -> Reference | None:
    """What a folder in the cache of a hub, or one inside it, was downloaded as; None for any other path."""
    parts = path.parts
    for place in range(len(parts) - 2):
        stored = _STORED.fullmatch(parts[place])
        if stored and parts[place + 1] == "snapshots" and _COMMIT.fullmatch(parts[place + 2]):
            return Reference(stored.group(1).replace("--", "/"), parts[place + 2])
    return None

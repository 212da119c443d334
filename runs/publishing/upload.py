"""The calls that put a folder on a hub, in one commit, and check what has arrived."""

import dataclasses
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from anysense.common.hub.calls import asked, endpoint, hub_client, hub_library, seconds_for, within
from anysense.common.hub.download import HubFile, files_at
from anysense.common.hub.reference import USUAL_REVISION, Reference
from anysense.common.machine import in_bytes
from anysense.common.progress import say
from anysense.runs.publishing.contents import is_published

__all__ = ["Destination", "full_name", "upload"]


@dataclasses.dataclass(frozen=True)
class Destination:
    """Where a folder goes.

    Attributes:
        repo: Name of the repository.
        branch: Branch of it.
        private: Whether it shall be seen by its owner alone.
    """

    repo: str
    branch: str
    private: bool


def full_name(repo: str) -> str:
    """The name with its owner, who is that of the token if it names none; raises as `upload`."""
    if "/" in repo:
        return repo
    client = hub_client("`anysense push`")
    with asked(f"`repo` {repo}"):
        return f"{within(seconds_for(0), client.whoami)['name']}/{repo}"


def upload(folder: Path, place: Destination, message: str) -> Reference:
    """Put the files of a folder on the hub, and take away those that an earlier push of another run has left there.

    Files that are not named as ours are left as they are. All of it is one commit: a call that is cut off changes
    nothing that can be seen.

    Returns:
        The repository and its new commit.

    Raises:
        ModuleNotFoundError: huggingface_hub is not installed.
        FileNotFoundError, PermissionError, ConnectionError, ValueError: The hub refused it, failed, or cannot be
            reached; what arrived differs from what was sent; or the repository is public, and was to be private.
    """
    client, hub = hub_client("`anysense push`"), hub_library("`anysense push`")
    with asked(f"`repo` {place.repo}"):
        made, private = within(seconds_for(0), partial(_made, client, place))
    if place.private and not private:
        raise ValueError(
            f"`private`: {made} is there already and everybody can see it, so nothing was sent. Make it private on "
            f"{endpoint()}/{made}/settings first, or name another `--repo`."
        )
    if place.branch != USUAL_REVISION:
        with asked(f"`revision` {place.branch} of {made}"):
            within(seconds_for(0), partial(client.create_branch, made, branch=place.branch, exist_ok=True))
    branch = Reference(made, place.branch)
    _, before = files_at(branch)
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    operations = [hub.CommitOperationAdd(path_in_repo=name, path_or_fileobj=str(path)) for name, path in paths.items()]
    gone = [name for name in before if is_published(name) and name not in paths]
    operations += [hub.CommitOperationDelete(path_in_repo=name) for name in gone]
    commit = partial(client.create_commit, made, operations, commit_message=message, revision=place.branch)
    size = sum(path.stat().st_size for path in paths.values())
    say(f"Sending {len(paths)} files ({in_bytes(size)}) to {endpoint()}/{made}")
    with asked(f"`repo` {made}"), _bars_on_terminals(hub.utils):
        pushed = branch.at(str(within(seconds_for(size), commit).oid))
    _check(pushed, paths, files_at(pushed)[1])
    return pushed


@contextmanager
def _bars_on_terminals(utils: Any) -> Iterator[None]:
    """No progress bars where nobody watches, unless the environment says what is wanted."""
    silent = not sys.stderr.isatty() and "HF_HUB_DISABLE_PROGRESS_BARS" not in os.environ
    if not silent or utils.are_progress_bars_disabled():
        yield
        return
    utils.disable_progress_bars()
    try:
        yield
    finally:
        utils.enable_progress_bars()


def _made(client: Any, place: Destination) -> tuple[str, bool]:
    """Make the repository where it is not there yet; gives its full name, and whether only its owner sees it."""
    repo = str(client.create_repo(place.repo, private=place.private or None, exist_ok=True).repo_id)
    return repo, bool(client.model_info(repo, timeout=30).private)


def _check(pushed: Reference, paths: Mapping[str, Path], arrived: Mapping[str, HubFile]) -> None:
    differing = [name for name, path in paths.items() if name not in arrived or not arrived[name].fits(path)]
    if differing:
        raise ConnectionError(
            f"`{pushed}`: {', '.join(differing)} on the hub differ from what was sent, or are missing. Look whether a "
            ".gitignore or .gitattributes in the repository keeps them out, then push again."
        )

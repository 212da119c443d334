"""`anysense push`: an exported agent or representation on a hub, with a model card, results and clips."""

import dataclasses
import re
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tyro

from anysense.common.files import replace_folder, sha256_of, write_json
from anysense.common.hub.calls import check_sending, endpoint
from anysense.common.hub.reference import USUAL_REVISION, Reference, check_repo, check_revision
from anysense.common.machine import in_bytes
from anysense.common.progress import say
from anysense.runs.run_folder import check_place
from anysense.runs.settings import TracebackSettings, parse
from anysense.runs.worlds import environments, named_world

__all__ = ["PushSettings", "main", "read"]

FORMAT, FORMAT_VERSION = "anysense push", 1
_LICENSE = re.compile("[a-z0-9][a-z0-9.-]{0,60}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PushSettings(TracebackSettings):
    """Put an exported agent or representation on Hugging Face's hub, or on the one that HF_ENDPOINT names.

    Takes a finished run of `anysense demo`, `evaluate`, `train` or `pretrain`, or an exported folder. The run of an
    evaluation brings its agent, results with intervals, figures and clips; a model card is written from the records.
    Afterwards hub:OWNER/NAME stands in the place of a folder in every command. Needs the extra `hub`, and a token that
    may write: HF_TOKEN, or `hf auth login`.
    """

    run: tyro.conf.Positional[Path | None] = None
    """Run folder, or folder of an exported agent or representation."""
    repo: str | None = None
    """Name of the repository, as OWNER/NAME, or as NAME for one of yours; it is made if it is not there."""
    revision: str = USUAL_REVISION
    """Branch of the repository; it is made if it is not there."""
    private: bool = False
    """Show the repository to you alone; one that is there already must be private."""
    message: str | None = None
    """Message of the commit; what is pushed, if not given."""
    license: str | None = None
    """Licence of the weights as the hub calls it, such as mit or cc-by-4.0; none is stated if not given."""
    env: str | None = None
    """Id of the environment as module:Name-v0; needed where its module belongs to no installed package."""
    out: Path = Path("out/push")
    """Folder that gets what is pushed, as a folder of its own, and the record of the push."""
    dry_run: bool = False
    """Write the folder, show the card, and send nothing."""

    def __post_init__(self) -> None:
        if self.repo is not None:
            check_repo(self.repo, without_owner=True)
        check_revision(self.revision)
        if Reference("x", self.revision).is_commit:
            raise ValueError(f"`revision` must be the name of a branch; got a commit, {self.revision}.")
        if self.license is not None and not _LICENSE.fullmatch(self.license):
            raise ValueError(
                f"`license` must be written as on the hub, such as mit or cc-by-4.0; got {self.license!r}."
            )
        if self.message is not None and not self.message.strip():
            raise ValueError("`message` is empty; leave it out, or say what is pushed.")


def read(arguments: Sequence[str]) -> PushSettings:
    """Settings from the command line."""
    return parse(PushSettings(), arguments, "push", {"run": "RUN", "env": environments()})


def main(arguments: Sequence[str]) -> None:
    """Write the folder with its card; send it unless it is a dry run; say where it is."""
    settings = read(arguments)
    if settings.run is None or settings.repo is None:
        raise ValueError(
            "`RUN` and `--repo` are needed, for example: anysense push out/evaluate/001 --repo OWNER/NAME. With "
            "--dry-run nothing is sent."
        )
    check_place(settings.out, None)
    if settings.env is not None:
        named_world(settings.env)
    if settings.dry_run:
        repo = settings.repo if "/" in settings.repo else f"OWNER/{settings.repo}"
        _show(_written(settings, settings.run, repo)[0])
        return
    from anysense.runs.publishing.upload import full_name

    check_sending("`anysense push`")
    repo = full_name(settings.repo)
    folder, kind = _written(settings, settings.run, repo)
    _push(settings, repo, folder, kind, shlex.join(["anysense", "push", *arguments]))


def _written(settings: PushSettings, run: Path, repo: str) -> tuple[Path, str]:
    """Write all that is pushed into a folder; gives it and the kind of export."""
    from anysense.agents.description import AGENT
    from anysense.runs.publishing.card import card_of
    from anysense.runs.publishing.contents import CARD, contents_of

    contents, folder = contents_of(run), settings.out / repo.replace("/", "--")
    with replace_folder(folder) as new:
        contents.write(new)
        (new / CARD).write_text(card_of(contents, new, repo, settings.license), encoding="utf-8")
    if contents.export is AGENT and contents.report is None:
        say(f"There are no results for the card: `anysense evaluate {run}` makes some; then push that run.")
    return folder, contents.export.kind


def _show(folder: Path) -> None:
    print((folder / "README.md").read_text(encoding="utf-8"))
    files = [path for path in folder.rglob("*") if path.is_file()]
    print(f"Folder: {folder} ({len(files)} files, {in_bytes(sum(path.stat().st_size for path in files))})")
    print("Nothing was sent (--dry-run).")


def _push(settings: PushSettings, repo: str, folder: Path, kind: str, command: str) -> None:
    from anysense.runs.publishing.upload import Destination, upload

    message = settings.message or f"{kind.capitalize()} of anysense {version('anysense')}"
    pushed = upload(folder, Destination(repo, settings.revision, settings.private), message)
    files = {path.relative_to(folder).as_posix(): sha256_of(path) for path in folder.rglob("*") if path.is_file()}
    record: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "anysense_version": version("anysense"),
        "command_line": command,
        "endpoint": endpoint(),
        "repo": pushed.repo,
        "branch": settings.revision,
        "commit": pushed.revision,
        "pushed": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "files": dict(sorted(files.items())),
    }
    path = write_json(folder.with_name(f"{folder.name}.json"), record)
    use = "evaluate --agent" if kind == "agent" else "train --representation"
    print(f"Pushed: {endpoint()}/{pushed.repo} (commit {pushed.revision})")
    print(f"Record: {path}")
    print(f"Use it: anysense {use} {pushed.at(settings.revision)}")
    print(f"Always the same: anysense {use} {pushed}")

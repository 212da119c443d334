"""Finding what an earlier run made: by path, or the newest one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anysense.agents.description import AGENT
from anysense.agents.pretrained import pretrained_agent, pretrained_names
from anysense.common.files import current_folder
from anysense.common.hub.download import Export, downloaded
from anysense.common.hub.reference import PREFIX, reference_in
from anysense.common.progress import say
from anysense.envs.world import World, stored_world
from anysense.representations.description import REPRESENTATION, read_representation_description
from anysense.runs.run_folder import RunFolder, newest_run

__all__ = ["find_agent", "find_representation", "lineage_of", "training_steps", "world_of"]


def find_representation(path: Path | None, out: Path, announced: bool = True) -> Path:
    """Folder of a saved representation: `path`, or what the run folder `path` made, or else the newest one under `out`.

    `path` may name one on a hub, which is downloaded (see `downloaded` for its errors). The newest one is named on
    stderr if `announced`; FileNotFoundError if there is none.
    """
    return _find(path, out, REPRESENTATION, "pretrain", announced)


def find_agent(path: Path | None, out: Path, named: str | None = None) -> Path:
    """Folder of an exported agent: the one ``named``, of the package or on a hub, or else as `find_representation`."""
    if named is None:
        return _find(path, out, AGENT, "train", True)
    if path is not None:
        raise ValueError(f"`agent` {named!r} is one agent, and `{path}` is another one. Give one of the two.")
    reference = reference_in(named)
    if reference is not None:
        return downloaded(reference, AGENT)
    if "/" in named:
        raise ValueError(
            f"`agent` names an agent that comes along ({', '.join(pretrained_names())}), or one on a hub as "
            f"{PREFIX}OWNER/NAME; got {named!r}. Folders are given without `--agent`."
        )
    return pretrained_agent(named)


def world_of(representation: Path) -> World:
    """The world that a saved representation was trained in.

    Raises:
        ValueError: The file is damaged, or the representation was not trained in a world.
    """
    stored = read_representation_description(representation)["world"]
    if stored is None:
        raise ValueError(
            f"`{representation}` was not trained on observations of an environment; name one with `--env`, or take a "
            "representation of `anysense pretrain`."
        )
    return stored_world(stored)


def lineage_of(agent: Path) -> list[dict[str, Any]]:
    """Records of the runs that an agent comes from, the first one first, as far as they are still there."""
    records: list[dict[str, Any]] = []
    run, visited = _run_around(agent), set()
    while run is not None and run.path.resolve() not in visited:
        visited.add(run.path.resolve())
        records.insert(0, run.record)
        representation = run.record["settings"].get("representation")
        run = _run_around(Path(representation)) if isinstance(representation, str) else None
    return records


def training_steps(lineage: Sequence[Mapping[str, Any]]) -> int | None:
    """Environment steps of the training among the records of `lineage_of`; None if it is not among them."""
    for record in reversed(lineage):
        settings = record["settings"]
        steps = settings.get("steps") if record["command"] == "demo" else settings.get("agent", {}).get("total_steps")
        if record["command"] in ("demo", "train") and isinstance(steps, int):
            return steps
    return None


def _run_around(path: Path) -> RunFolder | None:
    """The run whose folder, or a stage of it, holds `path`."""
    folders = [folder for folder in (path.parent, path.parent.parent) if (folder / "run.json").is_file()]
    return RunFolder.open(folders[0]) if folders else None


def _find(path: Path | None, out: Path, export: Export, command: str, announced: bool) -> Path:
    kind, reference = export.kind, reference_in(path)
    if reference is not None:
        return downloaded(reference, export)
    if path is not None:
        found = _inside(path, kind, command)
        if found is None:
            raise FileNotFoundError(
                f"`{path}` holds no {kind}: expected a folder with {kind}.json, or the folder of a finished run of "
                f"`anysense {command}`."
            )
        return found
    run = newest_run(out, (command, "demo"))
    if run is None:
        named = f", or an agent that comes along: --agent {' | '.join(pretrained_names())}" if export is AGENT else ""
        raise FileNotFoundError(
            f"`{kind}` was not given and `{out}` holds no finished run with one. Run `anysense {command}` first, or "
            f"give a path{named}."
        )
    found = _inside(run.path, kind, command)
    if found is None:
        raise FileNotFoundError(f"`{run.path}` is finished but holds no {kind}. Give the path of another one.")
    if announced:
        say(f"Taking the newest {kind}: {found}")
    return found


def _inside(path: Path, kind: str, stage: str) -> Path | None:
    candidates = map(current_folder, (path, path / kind, path / stage / kind))
    return next((candidate for candidate in candidates if (candidate / f"{kind}.json").is_file()), None)

"""Writes the page of a report: one file of HTML that needs no other file, no network and no script to be read."""

import base64
import dataclasses
import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from anysense.common.files import write_text
from anysense.common.progress import say
from anysense.runs.comparisons.contents import Report
from anysense.runs.page.clips import Clip, Shown, clips_in, shown_clips
from anysense.runs.page.colours import DARK, on_dark
from anysense.runs.page.parts import Block, Group, Names, blocks_of, records_download, runs_of_page, slug
from anysense.runs.page.places import short_line, short_places, short_text
from anysense.runs.page.svg import variable
from anysense.runs.run_folder import RunFolder

__all__ = ["LIMIT", "Part", "clips_of_run", "write_page", "write_pages", "write_run_page"]

LIMIT = 15_000_000
"""Bytes of a page; clips that would make it larger stay outside."""
CLIPS = "clips"
"""Folder of a run that holds its clips."""
_BREAK = re.compile(r"(?<=[/:_])(?=\w)|(?<=[a-z])(?=[A-Z])")
OUT = "out"
"""Folder that commands write to if nobody says."""


@dataclasses.dataclass(frozen=True)
class Part:
    """A report on a page, with the clips that belong to it."""

    report: Report
    clips: Sequence[Clip] = ()
    note: str = ""
    """Why it is a part of its own."""


def write_run_page(report: Report, run: RunFolder) -> Path | None:
    """Write `results/report.html` of a run, with the clips that lie in its folder.

    What goes wrong with the page itself is a warning, and None: the other files hold all numbers.
    """
    path = run.results("report.html")
    try:
        return write_page(report, path, clips_of_run(run, report))
    except OSError:
        raise
    except Exception as error:  # Whatever it is, it must not end hours of work.
        say(f"Warning: the page {path} was not written ({type(error).__name__}: {error}). All numbers are.")
        return None


def clips_of_run(run: RunFolder, report: Report, before: str = "") -> list[Clip]:
    """The clips in the folder of a run; if it was asked for them, those of all subsets, even if their files are gone.

    ``before`` begins their labels.
    """
    asked = run.record["settings"].get("video") is True
    subsets = dict.fromkeys(one.subset for one in report.records if one.subset and not one.condition)
    return clips_in(run.path / CLIPS, before, subsets if asked else ())


def write_page(report: Report, path: Path, clips: Sequence[Clip] = ()) -> Path:
    """Write one report as a page.

    Args:
        report: What was found.
        path: The file; its name without ending begins the names of the files that can be saved from the page.
        clips: Clips to show; the largest are linked instead where the page would exceed `LIMIT`.
    """
    return write_pages(report.title, [Part(report, clips)], path)


def write_pages(title: str, parts: Sequence[Part], path: Path) -> Path:
    """Write several reports as one page with a table of contents; see `write_page`."""
    names, single, parts = Names(), len(parts) == 1, [_sendable(part) for part in parts]
    title = short_places(title, OUT)
    models = [
        _part(part, path.stem if single else f"{path.stem}-{place + 1}", names) for place, part in enumerate(parts)
    ]
    clips = [clip for part in parts for clip in part.clips]
    without = _rendered(title, models, [Shown("", "video", 0, None, clip.path, "-" * 400) for clip in clips], path)
    shown = shown_clips(clips, LIMIT - len(without.encode()))
    return write_text(path, _rendered(title, models, shown, path))


def _sendable(part: Part) -> Part:
    """The same without absolute paths in its texts and commands."""
    report = part.report
    points = dataclasses.asdict(report.protocol)
    short = dataclasses.replace(
        report,
        title=short_places(report.title, OUT),
        about=short_text(report.about, OUT),
        protocol=type(report.protocol)(**{name: short_text(text, OUT) for name, text in points.items()}),
        runs=[_without_places(run) for run in report.runs],
    )
    return dataclasses.replace(part, report=short)


def _without_places(run: Mapping[str, Any]) -> dict[str, Any]:
    settings = run.get("settings", {})
    out = str(settings.get("out") or OUT)
    line = short_line(str(run["command_line"]), out)
    return {**run, "command_line": line, "settings": short_places(settings, out)}


def _part(part: Part, name: str, names: Names) -> dict[str, Any]:
    """All that the template shows of a report, but the clips themselves."""
    report = part.report
    return {
        "title": report.title,
        "about": f"{report.about[:1].upper()}{report.about[1:]}." if report.about else "",
        "note": part.note,
        "caution": report.caution,
        "id": names.one(slug(name)),
        "groups": list(blocks_of(report, slug(name), names)),
        "clips": len(part.clips),
        "clips_id": names.one(f"{slug(name)}-clips"),
        "protocol": report.protocol.points(),
        "protocol_id": names.one(f"{slug(name)}-protocol"),
        "runs": runs_of_page(report.runs, slug(name), names),
        "runs_id": names.one(f"{slug(name)}-commands"),
        "records": records_download(report, f"{slug(name)}-values"),
        "values": len(report.records),
        "values_id": names.one(f"{slug(name)}-values"),
    }


def _rendered(title: str, parts: Sequence[Mapping[str, Any]], shown: Sequence[Shown], path: Path) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    folder, left = files("anysense.runs.page") / "templates", iter(shown)
    loaded = Environment(
        loader=PackageLoader("anysense.runs.page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    loaded.filters |= {"inline": _inline, "breaks": _breaks, "size": _size, "link": lambda target: _link(target, path)}
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    given = [{**part, "clips": [next(left) for _ in range(part["clips"])]} for part in parts]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return loaded.get_template("page.html").render(
        title=title,
        parts=given,
        style=Markup(style + _colours(parts)),
        script=Markup(script),
        policy=f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        limit=LIMIT,
    )


def _colours(parts: Iterable[Mapping[str, Any]]) -> str:
    """The colours of all charts as variables, on light and on dark pages."""
    groups: list[Group] = [group for part in parts for group in part["groups"]]
    blocks: list[Block] = [block for group in groups for block in group.blocks]
    used = sorted({colour for block in blocks if block.chart is not None for colour in block.chart.colours})
    light = "".join(f"{variable(colour)}:{colour};" for colour in used)
    dark = "".join(f"{variable(colour)}:{on_dark(colour)};" for colour in used)
    return (
        f":root,.paper{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{--ground:{DARK};{dark}}}}}\n"
    )


def _inline(text: str) -> Any:
    """A text whose parts between backticks are code."""
    from markupsafe import Markup

    parts = text.split("`")
    marked = [Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)]
    return Markup("").join(marked) if len(parts) % 2 else text


def _breaks(text: str) -> Any:
    """A name that can be broken behind `/`, `:` and `_`, and before a capital that follows a small letter."""
    from markupsafe import Markup

    return Markup("<wbr>").join(_BREAK.split(text))


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def _link(target: Path, page: Path) -> str:
    """Where a file lies, as seen from a page."""
    return quote(Path(os.path.relpath(target, page.parent)).as_posix())

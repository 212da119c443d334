"""Clips of a run as a part of a page: looked at, and taken into it as long as there is room."""

import base64
import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from anysense.representations.evaluation.records import COMPLETE

__all__ = ["Clip", "Shown", "clips_in", "fault_of", "shown_clips"]

Kind = Literal["video", "image", "audio"]
TYPES: dict[str, tuple[Kind, str]] = {
    ".mp4": ("video", "video/mp4"),
    ".gif": ("image", "image/gif"),
    ".wav": ("audio", "audio/wav"),
}
"""Element and media type of each format."""
BOX_HEAD = 8
"""Bytes before the content of a box of an MP4 file: its size and its name."""


@dataclasses.dataclass(frozen=True)
class Clip:
    """A file that shows an agent, and what it is called."""

    path: Path
    label: str


@dataclasses.dataclass(frozen=True)
class Shown:
    """A clip on a page.

    Attributes:
        label: What it is called.
        kind: The element that shows it.
        size: Bytes of its file.
        data: The file as an address; None where it is not taken into the page.
        note: Why it is not.
    """

    label: str
    kind: Kind
    size: int
    data: str | None
    path: Path
    note: str = ""


def clips_in(folder: Path, before: str = "", expected: Iterable[str] = ()) -> list[Clip]:
    """The clips in a folder, the complete one first: of each name the MP4 file, or else picture and sound apart.

    Args:
        folder: Where they lie; links are passed over.
        before: Begins their labels.
        expected: Names of subsets whose clip is named even if its file is gone, as MP4.
    """
    entries = sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []
    found = [path for path in entries if path.suffix in TYPES and path.is_file() and not path.is_symlink()]
    films = {path.stem for path in found if path.suffix == ".mp4"}
    kept = [path for path in found if path.suffix == ".mp4" or path.stem not in films]
    gone = [name for name in map(_file_name, expected) if name not in {path.stem for path in kept}]
    kept += [folder / f"{name}.mp4" for name in gone]
    kept.sort(key=lambda path: (path.stem != COMPLETE, "+" not in path.stem, path.stem))
    return [Clip(path, f"{before}{path.stem.replace('+', ' + ')}") for path in kept]


def _file_name(subset: str) -> str:
    return subset.replace(" + ", "+")


def shown_clips(clips: Sequence[Clip], room: int) -> list[Shown]:
    """What a page shows of clips, in the given order; the smallest are taken in while they fit into ``room`` bytes."""
    looked, left = [_looked_at(clip) for clip in clips], room
    for place in sorted(range(len(looked)), key=lambda place: looked[place].size):
        one = looked[place]
        if one.note:
            continue
        data = f"data:{TYPES[one.path.suffix][1]};base64,"
        needed = len(data) + 4 * -(-one.size // 3)
        if needed > left:
            looked[place] = dataclasses.replace(one, note="too large for this page")
            continue
        left -= needed
        content = base64.b64encode(one.path.read_bytes()).decode()
        looked[place] = dataclasses.replace(one, data=data + content)
    return looked


def _looked_at(clip: Clip) -> Shown:
    kind = TYPES[clip.path.suffix][0]
    if not clip.path.is_file():
        return Shown(clip.label, kind, 0, None, clip.path, "the file is missing")
    try:
        fault, size = fault_of(clip.path), clip.path.stat().st_size
    except OSError as error:
        fault, size = f"the file cannot be read ({error.strerror})", 0
    return Shown(clip.label, kind, size, None, clip.path, fault)


def fault_of(path: Path) -> str:
    """Why a clip cannot be played: it is cut off, or something else than its name says; empty where it can."""
    with path.open("rb") as file:
        head, size = file.read(12), path.stat().st_size
    whole = {
        ".mp4": lambda: {b"ftyp", b"moov", b"mdat"} <= _boxes(path),
        ".gif": lambda: head[:6] in (b"GIF87a", b"GIF89a") and _last_byte(path) == b";",
        ".wav": lambda: head[:4] == b"RIFF" and head[8:] == b"WAVE" and int.from_bytes(head[4:8], "little") + 8 <= size,
    }
    return "" if whole[path.suffix]() else "the file is damaged"


def _boxes(path: Path) -> set[bytes]:
    """Names of the outermost boxes of an MP4 file; none if one of them does not end where the next begins."""
    found, place, size = set(), 0, path.stat().st_size
    with path.open("rb") as file:
        while place < size:
            file.seek(place)
            head = file.read(BOX_HEAD)
            length = int.from_bytes(head[:4], "big")
            if length == 1:
                length = int.from_bytes(file.read(8), "big")
            if length < BOX_HEAD or place + length > size:
                return set()
            found.add(head[4:])
            place += length
    return found


def _last_byte(path: Path) -> bytes:
    return path.read_bytes()[-1:]

"""The table of all campaigns, made of their records, and its page in the documentation."""

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anysense.common.files import write_json, write_text
from anysense.common.json_files import read_json
from bench.reliability.records import read_lines

__all__ = ["PAGE", "RECORD", "page", "summary", "write_table"]

PAGE, RECORD = Path("docs/reliability.md"), Path("docs/results/reliability.json")
_FOLDERS = re.compile(r"/(?:[^\s/'\":]+/)+")
_HEAD = """# Reliability

What happens to anysense when it is killed, when disks are full, when files are hostile, when calls are wrong and when
it works for long. `make reliability` tries all of it (about an hour on two cores) and writes this page; an interrupted
campaign goes on where it was. Everything random comes from the seed, so each try can be made again by its name
(`--only`); moments of kills are seconds, so these fall a little earlier or later. The values are in
[results/reliability.json](results/reliability.json).

| campaign | tries | held | for (s) | command | settings | seed | machine |
|---|---:|---:|---:|---|---|---:|---|
"""


def summary(path: Path) -> dict[str, Any] | None:
    """What came out of one campaign, by group and in all; None if there is no record of it."""
    lines = read_lines(path)
    if len(lines) < 2:
        return None
    about, tries = lines[0], lines[1:]
    groups: dict[str, dict[str, int]] = defaultdict(lambda: {"tries": 0, "held": 0})
    for line in tries:
        group = groups[line["try"].partition("/")[0]]
        group["tries"] += line["count"]
        group["held"] += line["count"] if line["held"] else 0
    failed = [{"try": line["try"], "note": _ends(line["note"])} for line in tries if not line["held"]]
    return {
        **about,
        **{name: sum(group[name] for group in groups.values()) for name in ("tries", "held")},
        "seconds": round(sum(line["seconds"] for line in tries)),
        "groups": dict(groups),
        "failed": failed,
    }


def write_table(out: Path) -> Path:
    """Add the records in a folder to those that are known, and write the page."""
    known: dict[str, Any] = read_json(RECORD) if RECORD.is_file() else {}
    for path in sorted(out.glob("*.jsonl")):
        found = summary(path)
        if found is not None and not path.stem.endswith("-quick"):
            known[path.stem] = found
    write_json(RECORD, known)
    return write_text(PAGE, page(known))


def page(known: Mapping[str, Any]) -> str:
    """The page: a row per campaign, then each by group with what did not hold."""
    rows = "".join(_row(name, found) for name, found in known.items())
    return _HEAD + rows + "".join(_details(name, found) for name, found in known.items())


def _row(name: str, found: Mapping[str, Any]) -> str:
    cells = (found["tries"], found["held"], found["seconds"])
    numbers = " | ".join(f"{cell:,}" for cell in cells)
    return (
        f"| [{name}](#{name}) | {numbers} | `{found['command']}` | {found['settings']} | {found['seed']} | "
        f"{found['machine']}, Python {found['python']} |\n"
    )


def _details(name: str, found: Mapping[str, Any]) -> str:
    groups = "".join(f"| {group} | {it['tries']:,} | {it['held']:,} |\n" for group, it in found["groups"].items())
    text = f"\n## {name}\n\n{found['title']}.\n\n| what | tries | held |\n|---|---:|---:|\n{groups}"
    if not found["failed"]:
        return text
    failed = "".join(f"- `{one['try']}`: {one['note']}\n" for one in found["failed"])
    return f"{text}\nDid not hold (again with `{found['command']} --only TRY`):\n\n{failed}"


def _ends(note: str) -> str:
    """The first and the last line of a note, short, without folders of this machine and marks of Markdown."""
    lines = [line for line in note.splitlines() if line.strip()]
    text = " ... ".join(dict.fromkeys((lines[0], lines[-1]))).replace("|", "/").replace("`", "'")
    text = _FOLDERS.sub("", text)
    return text if len(text) <= 240 else f"{text[:237]}..."

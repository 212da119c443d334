"""Paths of the machine that made a report, as they stand on a page that is sent to others: short, not absolute."""

import re
import shlex
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

__all__ = ["short_line", "short_places", "short_text"]

COMES_ALONG = "pretrained"
"""Folder of the package that holds the agents that come along."""
_IN_TEXT = re.compile(r"(?<![\w./~\-<:])/[^\s/'\"`,;:()\[\]{}<>]+(?:/[^\s'\"`,;:()\[\]{}<>]*)*")


def short_text(text: str, out: str) -> str:
    """A text in which absolute paths begin at the folder ``out``, or are a name only if they do not lie in it."""
    return _IN_TEXT.sub(lambda found: _short(found.group(), out), text)


def short_line(line: str, out: str) -> str:
    """The same of a command line, whose paths may hold spaces."""
    try:
        words = shlex.split(line)
    except ValueError:  # a record of something else
        return short_text(line, out)
    shorter = [_short_word(word, out) for word in words]
    return line if shorter == words else shlex.join(shorter)


def short_places(value: Any, out: str) -> Any:
    """The same of settings: of every text in them that is a path, or NAME=PATH."""
    if isinstance(value, Mapping):
        return {name: short_places(entry, out) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [short_places(entry, out) for entry in value]
    return _short_word(value, out) if isinstance(value, str) else value


def _short_word(word: str, out: str) -> str:
    if word.startswith("/"):
        return _short(word, out)
    name, equals, path = word.partition("=")
    return f"{name}={_short(path, out)}" if equals and path.startswith("/") else short_text(word, out)


def _short(path: str, out: str) -> str:
    """For example ``out/train/001``; of an agent that comes along its name."""
    parts, folder = PurePosixPath(path).parts[1:], PurePosixPath(out).name
    if COMES_ALONG in parts[:-1] and "agents" in parts:
        return parts[parts.index(COMES_ALONG) + 1]
    if folder in parts:
        return "/".join(parts[len(parts) - 1 - parts[::-1].index(folder) :])
    return parts[-1] if parts else "/"

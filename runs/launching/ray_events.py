"""What Ray prints of its nodes: one sentence on stderr, where all else that is reported goes."""

import io
import re
from typing import TextIO

from anysense.common.progress import say

__all__ = ["Events"]

_EVENT = re.compile(r"(\x1b\[\d+m)*\(raylet[^)]*\)(\x1b\[\d+m)* *(?P<sentence>[^\n]*?)\.?(\s*\n|(?<=\.) |$)")


class Events(io.TextIOBase):
    """In the place of stdout, where Ray prints what happens to nodes, at length: the first sentence goes to stderr.

    Args:
        stdout: Takes everything else.
    """

    def __init__(self, stdout: TextIO) -> None:
        self._stdout, self._taken = stdout, False

    def write(self, text: str) -> int:
        """Write a text; what Ray prints is one text each, and a line's end."""
        event, after = _EVENT.match(text), self._taken and text == "\n"
        self._taken = event is not None
        if event is not None:
            say(f"Ray: {event['sentence']:.200}")
        elif not after:
            self._stdout.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what was written."""
        self._stdout.flush()

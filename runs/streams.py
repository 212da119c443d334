"""Standard streams of the program that never fail: printing does not decide how a run ends."""

import io
import os
import sys

__all__ = ["steady_streams"]


class _SteadyStream(io.TextIOWrapper):
    """Text that cannot be written (full disk, reader gone) is dropped, and all that follows."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError:
            self._drop()
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError:
            self._drop()

    def _drop(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def steady_streams() -> None:
    """Put streams that take any text, whatever their encoding and their end, in the place of stdout and stderr.

    A closed descriptor is opened again: the next file that is opened would get its number, and what is printed.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        stream = getattr(sys, name)
        if name == "stdin" or not isinstance(stream, io.TextIOWrapper | None):
            continue
        encoding = "utf-8" if stream is None else stream.encoding
        lines, at_once = (True, False) if stream is None else (stream.line_buffering, stream.write_through)
        binary = io.BufferedWriter(io.FileIO(number, "w", closefd=False)) if stream is None else stream.detach()
        steady = _SteadyStream(binary, encoding, "backslashreplace", line_buffering=lines, write_through=at_once)
        setattr(sys, name, steady)
        setattr(sys, f"__{name}__", steady)

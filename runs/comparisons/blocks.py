"""Blocks of a document that commands write: what stands between two markers."""

from pathlib import Path

from anysense.common.files import write_text

__all__ = ["check_block", "markers", "write_block"]


def markers(name: str) -> tuple[str, str]:
    """The lines before and after the block called `name`."""
    return f"<!-- {name}:begin -->", f"<!-- {name}:end -->"


def check_block(document: Path, name: str) -> None:
    """Raise unless `document` is text with a block called `name`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not text in UTF-8, or a marker is missing.
    """
    _parts(document, name)


def write_block(document: Path, name: str, content: str) -> None:
    """Put `content` between the markers of a block; errors as in `check_block`."""
    before, after = _parts(document, name)
    begin, end = markers(name)
    write_text(document, f"{before}{begin}\n{content}\n{end}{after}")


def _parts(document: Path, name: str) -> tuple[str, str]:
    """What stands before and after the block."""
    if not document.is_file():
        raise FileNotFoundError(f"`readme` {document} does not exist; expected a document with the block {name!r}.")
    try:
        text = document.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"`readme` {document} is not text in UTF-8 ({error.reason} at byte {error.start}).") from error
    begin, end = markers(name)
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"`readme` {document} needs the lines {begin} and {end}, and has not both of them.")
    return before, after

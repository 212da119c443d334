"""Reading JSON that others may have written: size, depth, names and types are checked before anything is made of it."""

import json
import math
import re
import reprlib
from pathlib import Path
from typing import Any, NoReturn

from anysense.common.errors import FileFormatError, reading

__all__ = ["MAX_JSON_BYTES", "MAX_JSON_DEPTH", "check_entries", "parse_json", "read_description", "read_json"]

MAX_JSON_BYTES = 16 * 2**20
MAX_JSON_DEPTH = 64

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))


def read_json(path: str | Path, what: str = "the run", schema: Any = object, *, max_bytes: int = MAX_JSON_BYTES) -> Any:
    """Read a JSON file.

    Args:
        path: The file.
        what: What it belongs to, for the message.
        schema: What it must hold; see `check_entries`.
        max_bytes: Largest size that is read.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: It is damaged: too large, nested too deeply, no JSON, or something else than the schema says.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` does not exist; expected the folder of {what}.")
    with reading(path, _again(what)), path.open("rb") as file:
        content = parse_json(file.read(max_bytes + 1), max_bytes)
        check_entries(content, schema)
    return content


def read_description(
    path: str | Path, file_format: str, version: int, what: str, schema: Any = object
) -> dict[str, Any]:
    """Read a JSON file that says what lies beside it; the schema need not name the entries that all of them have.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: It is damaged, or of another format or format version.
    """
    content = read_json(path, what)
    if not isinstance(content, dict) or content.get("format") != file_format:
        raise FileFormatError(f'`{path}` does not describe {what}: expected an entry "format": {file_format!r}.')
    if type(content.get("format_version")) is not int or content["format_version"] != version:
        raise FileFormatError(
            f"`{path}` has format version {_short(content.get('format_version'))}; this release of anysense reads "
            f"version {version}. It was written by anysense {_short(content.get('anysense_version', '(unknown)'))}: "
            f"use that release or make {what} again."
        )
    common = {"format": str, "format_version": int, "anysense_version?": str}
    with reading(path, _again(what)):
        check_entries(content, {**common, **schema} if isinstance(schema, dict) else schema)
    return content


def parse_json(content: bytes, max_bytes: int = MAX_JSON_BYTES, max_depth: int = MAX_JSON_DEPTH) -> Any:
    """The value that JSON in UTF-8 describes; ValueError where it is too large, nested too deeply, or no JSON."""
    if len(content) > max_bytes:
        raise ValueError(f"it has more than {max_bytes} bytes.")
    depth = 0
    for bracket in _STRING.sub(b"", content).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > max_depth:
            raise ValueError(f"it is nested more than {max_depth} deep.")
    try:
        return json.loads(content.decode(), parse_constant=_no_number)
    except ValueError as error:
        raise ValueError(f"not valid JSON ({error}).") from error


def check_entries(value: Any, schema: Any, where: str = "") -> None:
    """Raise ValueError, which names the entry, unless plain values are as the schema says.

    Args:
        value: What JSON gave.
        schema: A type (`float` takes finite numbers, `object` anything); a `range` of integers; a value to be equal to;
            a tuple of alternatives, the likeliest last; a list with the schema of all entries of a list; or a
            dictionary of schemas by name. A name that ends in ``?`` may be absent; the schema under the key `str` is
            that of all names that are not listed, which are refused without it.
        where: What the value is called; empty for all that a file holds, whose entries have their own names.
    """
    if isinstance(schema, dict):
        _check_names(value, schema, where)
    elif isinstance(schema, list):
        check_entries(value, list, where)
        for number, entry in enumerate(value):
            check_entries(entry, schema[0], f"{where or 'content'}[{number}]")
    elif isinstance(schema, tuple):
        if not any(_fits(value, form, where) for form in schema[:-1]):
            check_entries(value, schema[-1], where)
    elif not (fits := _simple(value, schema))[0]:
        raise ValueError(f"{_called(where)} must be {fits[1]}; got {_short(value)}.")


def _fits(value: Any, schema: Any, where: str) -> bool:
    try:
        check_entries(value, schema, where)
    except ValueError:
        return False
    return True


def _simple(value: Any, schema: Any) -> tuple[bool, str]:
    """Whether a value is as a schema without parts says, and that in words."""
    if isinstance(schema, range):
        return type(value) is int and value in schema, f"an integer from {schema.start} to {schema.stop - 1}"
    if schema is float:
        return type(value) in (int, float) and math.isfinite(value), "a finite number"
    if isinstance(schema, type):
        return schema is object or type(value) is schema, f"{'an' if schema is int else 'a'} {schema.__name__}"
    return type(value) is type(schema) and value == schema, repr(schema)


def _check_names(value: Any, schema: dict[Any, Any], where: str) -> None:
    check_entries(value, dict, where)
    names = {name.removesuffix("?"): name for name in schema if name is not str}
    absent = [name for name, key in names.items() if name == key and name not in value]
    if absent:
        raise ValueError(f"{_called(where)} lacks {absent}.")
    unknown = [] if str in schema else [name for name in value if name not in names]
    if unknown:
        raise ValueError(f"{_called(where)} must hold nothing but {list(names)}; got {_short(unknown)}.")
    inside = f"{where}." if where else ""
    for name, entry in value.items():
        check_entries(entry, schema[names.get(name, str)], f"{inside}{name:.60}")


def _called(where: str) -> str:
    return f"`{where}`" if where else "the content"


def _short(value: Any) -> str:
    return reprlib.repr(value)


def _again(what: str) -> str:
    return f"Restore it or make {what} again."


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")

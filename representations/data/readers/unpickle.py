"""Read pickles that hold arrays and plain data, without running anything that a file asks for.

Nothing is imported or called for a file: each name that it may mention stands for one of our own harmless makers, and
all other names and instructions are refused.
"""

import os
import pickle
import struct
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, TypeVar

from anysense.representations.data.readers.pickled_values import (
    GLOBALS,
    Maker,
    Named,
    NotAdmitted,
    Placeholder,
    StoredObject,
    as_text,
    final,
    new_object,
)

__all__ = ["StoredObject", "read_pickle"]

ResultT = TypeVar("ResultT")

_LIBRARIES = (*sys.stdlib_module_names, "__builtin__", "numpy", "torch", "anysense")


def read_pickle(path: str | Path) -> Any:
    """What a pickle of arrays and plain data holds; protocols 0 to 5, of Python 2 as well.

    Arrays (read-only), numbers, texts, lists, tuples and dictionaries are read. Texts of Python 2 come as bytes, except
    as keys of dictionaries.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is cut off or damaged, no pickle, or it holds anything else; what it asks for is not run.
    """
    return guarded(Path(path), "a pickle of arrays", _read)


def _read(file: "WholeReads") -> Any:
    if is_zip(file.raw):
        raise ValueError("a zip archive")
    return final(Unpickler(file).load())


def is_zip(file: BinaryIO) -> bool:
    """Whether a file begins like a zip archive; it is left at its beginning."""
    start = file.read(4)
    file.seek(0)
    return start == b"PK\x03\x04"


def guarded(path: Path, kind: str, read: "Callable[[WholeReads], ResultT]") -> ResultT:
    """Open ``path`` and read it, with messages that say what was expected and what came; raises as `read_pickle`."""
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` does not exist or is not a file; expected {kind}. Correct the path.")
    with path.open("rb") as file:
        start = file.read(512).lstrip().lower()
        file.seek(0)
        if not start or start.startswith((b"<!doctype", b"<html")):
            came = "a web page, perhaps one that says why the download failed" if start else "an empty file"
            raise ValueError(f"`{path}` must be {kind}; it is {came}. Download it again.")
        try:
            return read(WholeReads(file))
        except NotAdmitted as error:
            raise ValueError(
                f"`{path}` must be {kind}, it holds {error}. Nothing of it was run. Do not use this file; "
                "get it again from those who published it."
            ) from error
        except MemoryError:
            raise
        except Exception as error:  # One altered byte can raise a dozen unrelated types here.
            reason = "not its format" if isinstance(error, KeyError) else str(error) or type(error).__name__
            raise ValueError(
                f"`{path}` must be {kind}; it is cut off, damaged or something else ({reason}). Download it again."
            ) from error


class WholeReads:
    """A file that fails at once when asked for more than it holds, so that a false length costs no memory.

    Args:
        raw: The file.
        size: Bytes in it; by default what the file system says.
    """

    def __init__(self, raw: BinaryIO, size: int | None = None) -> None:
        self.raw = raw
        self.size = os.fstat(raw.fileno()).st_size if size is None else size

    def read(self, count: int) -> bytes:
        """Exactly ``count`` bytes."""
        if count > self.size - self.raw.tell():
            raise EOFError("it ends too early")
        return self.raw.read(count)

    def readline(self) -> bytes:
        """Up to the next line break."""
        return self.raw.readline()


class Unpickler(pickle._Unpickler):
    """Python's own reader in Python, with the instructions of plain data only.

    Args:
        file: Where to read from.
        names: What the file may mention.
        persistent: Called with each persistent id; by default there may be none.
        objects: Whether the file may hold one object of an unknown class.
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {}
    stack: list[Any]
    pop_mark: Callable[[], list[Any]]
    read: Callable[[int], bytes]

    def __init__(
        self,
        file: WholeReads,
        names: Mapping[tuple[str, str], Placeholder] = GLOBALS,
        persistent: Callable[[Any], Any] | None = None,
        objects: bool = False,
    ) -> None:
        super().__init__(file, fix_imports=True, encoding="bytes")
        self._names = {**names, ("_codecs", "encode"): Maker(self._encode)}
        self._persistent, self._objects = persistent, objects
        self._bytes_left = file.size
        self._unknown: Named | None = None

    def find_class(self, module: str, name: str) -> Placeholder:
        """Our stand-in for a name; nothing is ever imported."""
        known = self._names.get((module, name))
        if known is not None:
            return known
        full = f"{module}.{name}"
        if self._objects and module.split(".", maxsplit=1)[0] not in _LIBRARIES:
            self._unknown = self._unknown or Named(full, StoredObject)
            if self._unknown.name == full:
                return self._unknown
        raise NotAdmitted(f"the name `{full}`")

    def persistent_load(self, pid: Any) -> Any:
        """A value that lies elsewhere in the file."""
        if self._persistent is None:
            raise NotAdmitted("a value outside of the pickle")
        return self._persistent(pid)

    def _encode(self, text: Any, encoding: Any) -> bytes:
        """Bytes that Python 3 wrote as text; more than the file holds only if it repeats them."""
        if not isinstance(text, str) or as_text(encoding) != "latin1":
            raise NotAdmitted(f"a call of `_codecs.encode` with {encoding!r}")
        self._bytes_left -= len(text)
        if self._bytes_left < 0:
            raise NotAdmitted("more bytes than it has")
        return text.encode("latin1")

    def _load_reduce(self) -> None:
        arguments = self.stack.pop()
        maker = self.stack[-1]
        if not isinstance(maker, Maker) or not isinstance(arguments, tuple):
            called = maker.name if isinstance(maker, Named) else type(maker).__name__
            raise NotAdmitted(f"a call of `{called}`")
        self.stack[-1] = maker.make(*arguments)

    def _load_newobj(self) -> None:
        arguments = self.stack.pop()
        if arguments != ():
            raise NotAdmitted("an object made with arguments")
        self.stack[-1] = new_object(self.stack[-1])

    def _load_build(self) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], Placeholder):
            raise NotAdmitted(f"a state for a {type(self.stack[-1]).__name__}")
        self.stack[-1].set_state(state)

    def _load_dict(self) -> None:
        pairs = self.pop_mark()
        self.stack.append({})
        self._set(pairs)

    def _load_setitem(self) -> None:
        entry = self.stack.pop()
        self._set([self.stack.pop(), entry])

    def _load_setitems(self) -> None:
        self._set(self.pop_mark())

    def _set(self, pairs: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or not all(isinstance(key, str | bytes | int) for key in pairs[::2]):
            raise NotAdmitted("entries by anything but text or number")
        target.update(zip(pairs[::2], pairs[1::2], strict=True))

    def _load_long_bytes(self) -> None:
        (length,) = struct.unpack("<Q", self.read(8))
        self.stack.append(self.read(length))


_PLAIN = """
    PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4
    FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8
    BINBYTES SHORT_BINBYTES BINBYTES8 EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST LIST APPEND APPENDS EMPTY_DICT
    GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT MEMOIZE GLOBAL STACK_GLOBAL PERSID BINPERSID
"""
Unpickler.dispatch.update(
    {getattr(pickle, name)[0]: pickle._Unpickler.dispatch[getattr(pickle, name)[0]] for name in _PLAIN.split()}
)
Unpickler.dispatch.update(
    {
        pickle.REDUCE[0]: Unpickler._load_reduce,
        pickle.NEWOBJ[0]: Unpickler._load_newobj,
        pickle.BUILD[0]: Unpickler._load_build,
        pickle.DICT[0]: Unpickler._load_dict,
        pickle.SETITEM[0]: Unpickler._load_setitem,
        pickle.SETITEMS[0]: Unpickler._load_setitems,
        pickle.BYTEARRAY8[0]: Unpickler._load_long_bytes,
    }
)

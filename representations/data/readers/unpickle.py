"""Read pickles of arrays and plain data without importing or calling anything that a file names.

A name in a file becomes a `Name`; a file may call those alone that stand for a function of this module. Lengths are
compared with the size of the file before memory is taken, and instructions and keys are limited: time and memory stay
in proportion to the size of the file.
"""

import dataclasses
import math
import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["read_pickle"]

_READS, _KEYS, _AXES, _LONGEST_AXIS, _SHORT = 1_000_000, 10_000, 32, 2**48, 256
_DTYPES = re.compile(r"b1|[iu][1248]|f[248]|c8|c16|[SU][1-9]\d{0,6}|O[48]?")


class Refused(Exception):
    """The file asks for something that no data set needs."""


@dataclasses.dataclass(frozen=True)
class Name:
    """A name in a file, ``module.name``, and what is called instead if the file may call it."""

    full: str
    make: Callable[..., Any] | None


@dataclasses.dataclass(eq=False)
class _Unbuilt:
    """A value whose content follows in the file; ``build`` makes it from that."""

    build: Callable[[tuple[Any, ...]], Any]
    made: Any = None


def as_text(text: Any) -> str:
    """A short text that can be printed, which Python 2 may have written as bytes."""
    plain = text.decode("latin1") if isinstance(text, bytes) and len(text) <= _SHORT else text
    if not isinstance(plain, str) or len(plain) > _SHORT or not plain.isprintable():
        raise Refused(f"a {type(text).__name__} in place of a short text")
    return plain


def as_shape(shape: Any) -> tuple[int, ...]:
    """A tuple of axis lengths, checked."""
    lengths = shape if isinstance(shape, tuple) and len(shape) <= _AXES else (None,)
    if not all(type(length) is int and 0 <= length < _LONGEST_AXIS for length in lengths):
        raise Refused("an array with a wrong shape")
    return lengths


def _dtype(code: Any, align: Any = None, copy: Any = None) -> _Unbuilt:
    code = as_text(code)
    if _DTYPES.fullmatch(code) is None:
        raise Refused(f"the array type {code!r}")
    dtype = np.dtype("O" if code[0] == "O" else code)

    def build(state: tuple[Any, ...]) -> np.dtype[Any]:
        if any(part is not None for part in state[2:5]):
            raise Refused("an array type with fields")
        return dtype.newbyteorder(as_text(state[1]))  # type: ignore[arg-type]

    return _Unbuilt(build)


def _array(content: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> NDArray[Any] | list[Any]:
    if not isinstance(dtype, np.dtype) or axes is not None:
        raise Refused("an array without type or with permuted axes")
    kind, size = (list, 1) if dtype.kind == "O" else (bytes, dtype.itemsize)
    if not isinstance(content, kind) or len(content) != math.prod(as_shape(shape)) * size:
        raise ValueError(f"an array of {dtype} and shape {shape} whose content does not fit")
    return content if isinstance(content, list) else np.ndarray(shape, dtype, content or None, order=order)


def _empty_array(kind: Any, shape: Any, code: Any) -> _Unbuilt:
    if not isinstance(kind, Name) or kind.full != "numpy.ndarray":
        raise Refused("an array that is no numpy.ndarray")
    return _Unbuilt(lambda state: _array(state[-1], state[-3], state[-4], "F" if state[-2] else "C"))


def _scalar(dtype: Any, content: Any) -> Any:
    if not isinstance(dtype, np.dtype) or dtype.kind == "O" or dtype.itemsize > _SHORT:
        raise Refused("a number of unknown type")
    return np.asarray(_array(content, dtype, (1,), "C")).tolist()[0]


FUNCTIONS: Mapping[str, Callable[..., Any] | None] = {
    "numpy.ndarray": None,
    "numpy.dtype": _dtype,
    **dict.fromkeys(("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"), _empty_array),
    **dict.fromkeys(("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"), _scalar),
    **dict.fromkeys(("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"), _array),
    **dict.fromkeys(("builtins.bytes", "__builtin__.bytes"), lambda: b""),
    "collections.OrderedDict": lambda: {},
}
"""What a pickle of arrays may mention, and what is called instead if it may be called."""


class Part:
    """A file, or a part of one, of ``size`` bytes: never asked for more, and read a limited number of times."""

    def __init__(self, raw: BinaryIO, size: int) -> None:
        self.raw, self.size, self.readline = raw, size, raw.readline
        self._reads, self._encoded = 0, 0

    def read(self, count: int) -> bytes:
        """Exactly ``count`` bytes; raises EOFError if there are fewer."""
        self._reads += 1
        if self._reads > _READS:
            raise Refused(f"instructions that take more than {_READS} reads")
        content = self.raw.read(count) if 0 <= count <= self.size else b""
        if len(content) != count:
            raise EOFError("it ends too early")
        return content

    def encode(self, text: Any, encoding: Any) -> bytes:
        """Bytes that Python 3 wrote as text; more than the file holds only if it repeats them."""
        self._encoded += len(text)
        if not isinstance(text, str) or as_text(encoding) != "latin1" or self._encoded > self.size:
            raise Refused("a call of `_codecs.encode` for something else than its own bytes")
        return text.encode("latin1")


class _Memo(dict[int, Any]):
    """Values that a pickle looks up by number; the numbers are small, so that they cannot be chosen to collide."""

    def __setitem__(self, index: int, value: Any) -> None:
        if index > _READS:
            raise Refused(f"a value with the number {index}")
        super().__setitem__(index, value)

    def __getitem__(self, index: int) -> Any:
        value = super().__getitem__(index)
        return value.made if isinstance(value, _Unbuilt) and value.made is not None else value


class Reader(pickle._Unpickler):
    """Python's own reader in Python, with the instructions of plain data only.

    It reads a ``part`` that may mention the names of ``functions``. With ``outside``, which is called with each
    persistent id, the part may mention any other name too, without calling it, and have objects: they come as the
    dictionaries of their attributes.
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {}
    stack: list[Any]
    pop_mark: Callable[[], list[Any]]

    def __init__(
        self,
        part: Part,
        functions: Mapping[str, Callable[..., Any] | None] = FUNCTIONS,
        outside: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(part, encoding="bytes")
        self.memo = _Memo()
        self._functions, self._outside = {**functions, "_codecs.encode": part.encode}, outside
        self._keys = 0

    def find_class(self, module: str, name: str) -> Name:
        """Our stand-in for a name; nothing is ever imported."""
        full = f"{as_text(module)}.{as_text(name)}"
        if full not in self._functions and self._outside is None:
            raise Refused(f"the name `{full}`")
        return Name(full, self._functions.get(full))

    def persistent_load(self, pid: Any) -> Any:
        """A value that lies elsewhere in the file."""
        if self._outside is None:
            raise Refused("a value outside of the pickle")
        return self._outside(pid)

    def _load_reduce(self) -> None:
        arguments, called = self.stack.pop(), self.stack[-1]
        if not isinstance(called, Name) or called.make is None or not isinstance(arguments, tuple):
            raise Refused(f"a call of `{called.full if isinstance(called, Name) else type(called).__name__}`")
        self.stack[-1] = called.make(*arguments)

    def _load_newobj(self) -> None:
        arguments = self.stack.pop()
        if type(arguments) is not tuple or arguments or not isinstance(self.stack[-1], Name):
            raise Refused("an object made with arguments, or of no class")
        self.stack[-1] = {}

    def _load_build(self) -> None:
        state, value = self.stack.pop(), self.stack[-1]
        if isinstance(value, _Unbuilt) and isinstance(state, tuple):
            self.stack[-1] = value.made = value.build(state)
        elif isinstance(value, dict) and isinstance(state, dict):
            self._set([entry for pair in state.items() for entry in pair])
        else:
            raise Refused(f"a {type(state).__name__} as the state of a {type(value).__name__}")

    def _load_dict(self) -> None:
        pairs = self.pop_mark()
        self.stack.append({})
        self._set(pairs)

    def _set(self, pairs: list[Any]) -> None:
        self._keys += len(pairs) // 2
        if self._keys > _KEYS or not isinstance(self.stack[-1], dict):
            raise Refused(f"more than {_KEYS} keys, or keys of something else than a dictionary")
        numbers = (isinstance(key, int) and key.bit_length() < 64 for key in pairs[::2])
        keys = [key if number else as_text(key) for key, number in zip(pairs[::2], numbers, strict=True)]
        self.stack[-1].update(zip(keys, pairs[1::2], strict=True))


_PLAIN = """
    PROTO STOP MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING
    SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8
    EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST LIST APPEND APPENDS EMPTY_DICT
    GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT MEMOIZE GLOBAL STACK_GLOBAL BINPERSID
"""
Reader.dispatch |= {
    **{getattr(pickle, name)[0]: pickle._Unpickler.dispatch[getattr(pickle, name)[0]] for name in _PLAIN.split()},
    pickle.FRAME[0]: lambda reader: reader.read(8),
    pickle.BYTEARRAY8[0]: pickle._Unpickler.dispatch[pickle.BINBYTES8[0]],
    pickle.REDUCE[0]: Reader._load_reduce,
    pickle.NEWOBJ[0]: Reader._load_newobj,
    pickle.BUILD[0]: Reader._load_build,
    pickle.DICT[0]: Reader._load_dict,
    pickle.SETITEM[0]: lambda reader: reader._set([reader.stack.pop(-2), reader.stack.pop()]),
    pickle.SETITEMS[0]: lambda reader: reader._set(reader.pop_mark()),
}


_WEB_PAGE = "a web page, perhaps one that says why the download failed"
_ARCHIVE = "an archive, which has to be unpacked first"
_OTHERS = {b"<!doctype": _WEB_PAGE, b"<html": _WEB_PAGE, b"\x1f\x8b": _ARCHIVE, b"rar!": _ARCHIVE}


def guarded(
    path: Path, kind: str, advice: str, read: Callable[[Part], Any], others: Mapping[bytes, str] = _OTHERS
) -> Any:
    """Open and read a file, with errors that say what was expected, what came and what to do; see `read_pickle`."""
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` does not exist or is not a file; expected {kind}. Correct the path.")
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(512).lstrip().lower()
        file.seek(0)
        came = next(
            (other for known, other in others.items() if start.startswith(known)), "" if start else "an empty file"
        )
        if came:
            raise ValueError(f"`{path}` must be {kind}; it is {came}. {advice}")
        try:
            return read(Part(file, size))
        except Refused as error:
            raise ValueError(
                f"`{path}` must be {kind}, it holds {error}. Nothing of it was run. Do not use this file; "
                "get it again from those who published it."
            ) from error
        except MemoryError as error:
            raise MemoryError(f"`{path}` ({size} bytes) does not fit into memory. Free some.") from error
        except Exception as error:  # One altered byte can raise a dozen unrelated types here.
            reason = "not its format" if isinstance(error, LookupError | TypeError | AttributeError) else error
            raise ValueError(
                f"`{path}` must be {kind}; it is cut off, damaged or something else ({reason}). {advice}"
            ) from error


def read_pickle(path: str | Path) -> Any:
    """What a pickle of arrays and plain data holds; protocols 0 to 5, of Python 2 as well.

    Arrays (read-only; arrays of objects as flat lists), numbers, texts, lists, tuples and dictionaries are read.
    Texts of Python 2 come as bytes, except as keys of dictionaries.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is cut off or damaged, no pickle, or it holds anything else; what it asks for is not run.
        MemoryError: Its content does not fit into memory.
    """
    others = {**_OTHERS, b"pk\x03\x04": _ARCHIVE}
    return guarded(Path(path), "a pickle of arrays", "Download it again.", lambda file: Reader(file).load(), others)

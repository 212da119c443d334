"""What users give, arrays of numpy or tensors of torch in any layout, as the plain tensors that are computed with.

The result is that of a contiguous copy of the right dtype; nothing is copied where that is not needed.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Array", "Mask", "mask_of", "plain_array", "tensor_of"]

Array = Tensor | NDArray[Any]
"""Numbers: a tensor, or an array with any strides, byte order and permission; a scalar of numpy where one fits."""
Mask = Tensor | NDArray[Any]
"""Booleans, or numbers that are all 0 or 1."""

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_INTEGERS = (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.uint16, torch.uint32)
_KINDS = "biuf"


def plain_array(value: Any) -> Any:
    """An array that torch takes as it is: native byte order, positive strides, writable; copied only where needed."""
    if not isinstance(value, np.ndarray):
        return value
    return np.require(value, value.dtype.newbyteorder("="), ["C", "W"])


def tensor_of(label: str, value: Any, *dtypes: torch.dtype, device: torch.device | None = None) -> Tensor:
    """A contiguous tensor of one of the given dtypes; it shares memory with ``value`` where that is possible.

    Args:
        label: What the value is called in messages, with backticks.
        value: Array, numpy scalar or tensor. Floats of any precision become the floating dtype among ``dtypes``,
            integers of any size int64 if that is among them.
        dtypes: What it may hold; any real numbers if none are named.
        device: Where an array is put, by default the CPU; a tensor stays where it is.

    Raises:
        TypeError: No array, or one of objects, texts, complex numbers or of another dtype.
        ValueError: A sparse tensor.
    """
    tensor = value if isinstance(value, Tensor) else _from_numpy(label, value, device)
    if tensor.layout != torch.strided:
        raise ValueError(f"{label} must be dense; got {tensor.layout}. Convert it with .to_dense().")
    if dtypes and tensor.dtype not in dtypes:
        kind = _FLOATS if tensor.dtype in _FLOATS else (torch.int64,) if tensor.dtype in _INTEGERS else ()
        wanted = next((dtype for dtype in dtypes if dtype in kind), None)
        if wanted is None:
            expected = " or ".join(map(str, dtypes))
            raise TypeError(f"{label} must have dtype {expected}; got {tensor.dtype}. Convert it with .to(...).")
        tensor = tensor.to(wanted)
    elif tensor.is_complex() or tensor.is_quantized:
        raise TypeError(f"{label} must hold real numbers; got {tensor.dtype}.")
    return tensor.contiguous()


def mask_of(label: str, value: Any, shape: tuple[int, ...], meaning: str) -> Tensor:
    """A boolean tensor of the given shape, whose meaning is said in messages.

    Raises:
        TypeError: No array, or not one of real numbers.
        ValueError: Another shape, or a number that is neither 0 nor 1, such as NaN.
    """
    tensor = tensor_of(label, value)
    if tuple(tensor.shape) != shape:
        raise ValueError(f"{label} must have shape {shape}, {meaning}; got {tuple(tensor.shape)}.")
    if tensor.dtype == torch.bool:
        return tensor
    mask = tensor != 0
    strange = tensor[mask & (tensor != 1)]  # NaN differs from every number.
    if len(strange):
        raise ValueError(f"{label} must hold booleans, or 0 and 1; got {strange[0].item():g} in {len(strange)} places.")
    return mask


def _from_numpy(label: str, value: Any, device: torch.device | None) -> Tensor:
    if not isinstance(value, np.ndarray | np.generic):
        raise TypeError(f"{label} must be a numpy array or a torch.Tensor; got {type(value).__name__}.")
    array = np.asarray(value)
    if array.dtype.kind not in _KINDS:
        raise TypeError(f"{label} must hold real numbers or booleans; got an array of dtype {array.dtype}.")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)  # torch knows no longer ones
    return torch.from_numpy(plain_array(array)).to(torch.device("cpu") if device is None else device)

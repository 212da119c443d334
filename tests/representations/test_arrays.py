"""Whatever layout numbers come in, the answer is that for a contiguous copy of the right dtype, without a warning."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anysense.representations import Modality, Representation, build
from anysense.representations.arrays import mask_of, tensor_of
from anysense.representations.data import Samples, Transitions
from anysense.representations.evaluation.encode import encode_subsets

ROWS = 4
SHAPES = {"eye": (1, 6, 5), "walk": (5, 3), "touch": (2,)}
MODALITIES = {name: Modality(name, shape, "uint8" if name == "eye" else "float32") for name, shape in SHAPES.items()}


def read_only(value: np.ndarray) -> np.ndarray:
    copy = value.copy()
    copy.flags.writeable = False
    return copy


def every_second(value: np.ndarray) -> np.ndarray:
    return np.repeat(value, 2, axis=0)[::2]


def within_records(value: np.ndarray) -> np.ndarray:
    records = np.zeros(value.shape, np.dtype([("pad", np.int8), ("value", value.dtype)]))
    records["value"] = value
    return records["value"]


Layout = Callable[[np.ndarray], Any]
LAYOUTS: dict[str, Layout] = {
    "reversed": lambda value: value[::-1].copy()[::-1],
    "last axis reversed": lambda value: value[..., ::-1].copy()[..., ::-1],
    "read-only": read_only,
    "swapped bytes": lambda value: value.astype(value.dtype.newbyteorder("S")),
    "Fortran": np.asfortranarray,
    "every second": every_second,
    "unaligned": within_records,
    "tensor": lambda value: torch.from_numpy(value.copy()),
    "transposed tensor": lambda value: torch.from_numpy(value.T.copy()).permute(*reversed(range(value.ndim))),
}
WIDTHS: dict[str, Layout] = {
    "as it is": lambda value: value,
    "float64": lambda value: value.astype(np.float64) if value.dtype.kind == "f" else value,
    "longdouble": lambda value: value.astype(np.longdouble) if value.dtype.kind == "f" else value,
    "float16": lambda value: value.astype(np.float16) if value.dtype.kind == "f" else value,
}


@pytest.fixture(scope="module")
def representation() -> Representation:
    return build("gmc", MODALITIES, seed=3).eval().requires_grad_(False)


def plain(seed: int) -> dict[str, np.ndarray]:
    """Numbers that float16 holds exactly."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.integers(0, 256, (ROWS, *shape)).astype(np.uint8)
        if name == "eye"
        else (rng.integers(-64, 65, (ROWS, *shape)) / 32).astype(np.float32)
        for name, shape in SHAPES.items()
    }


def tensors(values: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in values.items()}


layouts = st.tuples(st.sampled_from(sorted(LAYOUTS)), st.sampled_from(sorted(WIDTHS)))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 3), chosen=st.lists(layouts, min_size=3, max_size=3), mask=st.sampled_from("?bef"))
def test_encode_and_samples(
    representation: Representation, seed: int, chosen: list[tuple[str, str]], mask: str
) -> None:
    values = plain(seed)
    laid = {}
    for (name, value), (layout, width) in zip(values.items(), chosen, strict=True):
        wide = WIDTHS[width](value)
        if "tensor" in layout and wide.dtype.itemsize > 8:  # torch has no longer floats
            wide = value
        laid[name] = LAYOUTS[layout](wide)
    present = np.array([[1, 0, 1, 1], [1, 1, 0, 1], [0, 1, 1, 1]])
    expected = representation.encode(tensors(values), torch.from_numpy(present == 1))
    first = LAYOUTS[chosen[0][0]](present.astype(mask))
    assert torch.equal(representation.encode(laid, first), expected)
    by_name = {"walk": LAYOUTS["reversed"](present[1].astype(mask)), "touch": read_only(present[2] > 0)}
    assert torch.equal(
        representation.encode(laid, by_name | {"eye": torch.from_numpy(present[0])}, validate=False), expected
    )
    samples = Samples(MODALITIES, laid, LAYOUTS[chosen[1][0]](np.arange(ROWS, dtype=np.int32)), by_name)
    usual = Samples(
        MODALITIES,
        tensors(values),
        torch.arange(ROWS),
        {n: torch.tensor(present[i] == 1) for n, i in (("walk", 1), ("touch", 2))},
    )
    assert samples.fingerprint() == usual.fingerprint()
    every = tuple(MODALITIES)
    found = encode_subsets(representation, samples, [every], first, np.arange(ROWS)[::-1][::-1])[every]
    assert torch.equal(found, expected)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_transitions(layout: str) -> None:
    laid, rng = LAYOUTS[layout], np.random.default_rng(0)
    given_arrays: dict[str, Any] = {
        "actions": rng.normal(size=(3, 2)),
        "rewards": rng.normal(size=3),
        "current": np.arange(3),
        "first": np.zeros(3, int),
        "trajectory": np.zeros(3, int),
        "states": rng.normal(size=(4, 2)),
    }
    seen, mask = rng.normal(size=(4, 3)).astype(np.float32), np.array([True, True, False, True])
    usual = Transitions(
        {"touch": torch.from_numpy(seen)},
        **{name: torch.from_numpy(value) for name, value in given_arrays.items()},
        masks={"touch": torch.from_numpy(mask)},
    )
    found = Transitions(
        {"touch": laid(seen.astype(np.float64))},
        **{name: laid(value) for name, value in given_arrays.items()},
        masks={"touch": laid(mask)},
    )
    assert found.fingerprint() == usual.fingerprint()
    assert torch.equal(found.state(np.arange(3)[::-1]), usual.state([2, 1, 0]))
    assert replace(found).fingerprint() == usual.fingerprint()


@settings(max_examples=30, deadline=None)
@given(arrays(st.sampled_from([np.float64, np.float32, np.int16, np.bool_]), st.integers(0, 5)))
def test_masks_are_zeros_and_ones_or_refused(values: np.ndarray) -> None:
    if np.isin(values, [0, 1]).all():
        assert mask_of("`m`", values, values.shape, "").tolist() == (values == 1).tolist()
    else:
        with pytest.raises(ValueError, match=r"`m` must hold booleans, or 0 and 1; got "):
            mask_of("`m`", values, values.shape, "")


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (np.array([None, 1.0]), TypeError, r"must hold real numbers or booleans; got an array of dtype object"),
        (np.array(["1", "2"]), TypeError, r"got an array of dtype <U1"),
        (np.array([1j, 2.0]), TypeError, r"got an array of dtype complex128"),
        (np.array(["2026-01-01"], "M8[D]"), TypeError, r"got an array of dtype datetime64"),
        (torch.tensor([1j]), TypeError, r"must have dtype torch.float32; got torch.complex64"),
        (torch.eye(2).to_sparse(), ValueError, r"must be dense; got torch.sparse_coo"),
        (np.arange(3), TypeError, r"must have dtype torch.float32; got torch.int64"),
        ("123", TypeError, r"must be a numpy array or a torch.Tensor; got str"),
    ],
)
def test_what_is_refused_is_named(
    representation: Representation, value: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=rf"`observation\['touch'\]` {message}|`observation\['touch'\]`.*{message}"):
        representation.encode({"touch": value})
    with pytest.raises(error, match=rf"`values\['touch'\]`.*{message}"):
        Samples({"touch": MODALITIES["touch"]}, {"touch": value})


def test_scalars_of_numpy(representation: Representation) -> None:
    assert tensor_of("`x`", np.float64(0.5), torch.float32).item() == 0.5
    assert mask_of("`x`", np.bool_(True), (), "one").item() is True
    with pytest.raises(ValueError, match=r"`observation\['touch'\]` must have shape \(B, 2\); got \(\)"):
        representation.encode({"touch": np.float32(1)})
    same = Modality("walk", (np.int64(5), np.int32(3)), np.dtype("float32"), np.float32(-2), np.full((5, 3), 2))
    assert same == Modality("walk", (5, 3), "float32", -2.0, 2.0 * np.ones((5, 3)))
    assert Modality("walk", torch.zeros(5, 3).shape, torch.float32) == MODALITIES["walk"]
    first, second = (build("gmc", MODALITIES, seed=seed).state_dict() for seed in (np.int64(3), 3))
    assert all(torch.equal(first[name], second[name]) for name in first)

"""Networks for any data: what each shape gets, scaling by bounds, and the way back."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import networks
from anysense.representations.networks.dense import DenseDecoder, DenseTrunk
from anysense.representations.networks.generic import GenericNetworks
from anysense.representations.networks.grids import GridDecoder, GridTrunk, grid_channels
from anysense.representations.networks.series import SeriesDecoder, SeriesTrunk
from anysense.representations.registry import build

FAMILY = networks("generic")
MODALITIES = [
    Modality("image", (3, 28, 28), "uint8", 0, 255),
    Modality("wide", (1, 45, 61), "uint8", 0, 255),
    Modality("tiny", (4, 1, 1), "uint8", 0, 255),
    Modality("spectrogram", (1, 32, 128), "float32", -80.0, 0.0),
    Modality("grid", (2, 3, 2), "float32", -2.0, 5.0, "spectrogram:ctf"),
    Modality("sequence", (50, 7), "float32", -2.0, 5.0),
    Modality("instant", (1, 3), "float32", -2.0, 5.0),
    Modality("waveform", (800,), "float32", -1.0, 1.0),
    Modality("stereo", (600, 2), "uint8"),
    Modality("frames", (2, 11, 10, 3), "uint8"),
    Modality("large", (3, 130, 91), "uint8"),
    Modality("long", (600, 15), "float32", 0.0, 4.0),
    Modality("vector", (9,), "float32", tuple(range(9)), tuple(range(10, 19))),
]
EVERY = pytest.mark.parametrize("modality", MODALITIES, ids=lambda modality: modality.name)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def values_of(modality: Modality, rows: int) -> Tensor:
    if modality.dtype == "uint8":
        return torch.randint(0, 256, (rows, *modality.shape), dtype=torch.uint8)
    low, high = (torch.tensor(bound, dtype=torch.float32) for bound in modality.bounds())
    return low + (high - low) * torch.rand(rows, *modality.shape)


def test_shape_and_dtype_choose_the_networks() -> None:
    trunks = [type(FAMILY.trunk(modality)) for modality in MODALITIES]
    assert trunks == [*(GridTrunk,) * 5, *(SeriesTrunk,) * 4, *(GridTrunk,) * 2, SeriesTrunk, DenseTrunk]
    decoders = [type(FAMILY.decoder(modality, 4)) for modality in MODALITIES]
    dense, series, grid = (DenseDecoder,) * 2, (SeriesDecoder,) * 2, (GridDecoder,) * 2
    assert decoders == [*(GridDecoder,) * 5, *dense, *series, *grid, SeriesDecoder, DenseDecoder]


@EVERY
@pytest.mark.parametrize("rows", [1, 3])
def test_shapes_and_gradients(modality: Modality, rows: int) -> None:
    trunk, decoder = FAMILY.generative_trunk(modality), FAMILY.decoder(modality, 4)
    value = values_of(modality, rows)
    features = trunk(value)
    assert features.shape == (rows, trunk.feature_dim) == (rows, 256)
    logits = decoder(torch.randn(2, rows, 4))
    assert logits.shape == (2, rows, *decoder.shape)
    assert decoder.raw(decoder.mean(logits[0])).shape == value.shape
    error = decoder.error(logits, decoder.target(value))
    assert error.shape == (2, rows)
    (features.square().sum() + error.sum()).backward()
    for parameter in (*trunk.parameters(), *decoder.parameters()):
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in decoder.layers.parameters())


@EVERY
def test_rows_do_not_influence_each_other(modality: Modality) -> None:
    trunk, decoder = FAMILY.trunk(modality), FAMILY.decoder(modality, 4)
    for module, rows in ((trunk, values_of(modality, 4)), (decoder, torch.randn(4, 4))):
        torch.testing.assert_close(module(rows)[2:3], module(rows[2:3]), rtol=1e-4, atol=1e-5)


@EVERY
def test_every_entry_of_the_input_counts(modality: Modality) -> None:
    trunk, value = FAMILY.trunk(modality), values_of(modality, 1).float()
    value = value / 255 if modality.dtype == "uint8" else value
    (gradient,) = torch.autograd.grad(trunk(value.requires_grad_()).square().sum(), value)
    assert gradient.all()


@EVERY
def test_raw_inverts_target(modality: Modality) -> None:
    decoder, value = FAMILY.decoder(modality, 4), values_of(modality, 3)
    target = decoder.target(value)
    assert ((target >= 0) & (target <= 1)).all()
    raw = decoder.raw(target)
    assert raw.dtype == value.dtype
    if modality.name == "large":  # Decoded as means of blocks of 3 x 3, of which the last ones are cut off.
        blocks = [(value[:, :, :3, :3], raw[:, :, :3, :3]), (value[:, :, 129:, 90:], raw[:, :, 129:, 90:])]
        for block, made in blocks:
            mean = block.float().mean(dim=(2, 3), keepdim=True).expand(made.shape)
            torch.testing.assert_close(made.float(), mean, rtol=0, atol=0.51)
        return
    torch.testing.assert_close(raw, value, rtol=1e-5, atol=1e-4)


def test_error_is_the_squared_error_entry_by_entry() -> None:
    modality = MODALITIES[-1]
    decoder, value, logits = FAMILY.decoder(modality, 4), values_of(modality, 3), torch.randn(2, 3, 9)
    errors = decoder.error(logits, decoder.target(value))
    for draw in range(2):
        for row in range(3):
            terms = [
                (1 / (1 + (-logits[draw, row, entry]).exp()) - (value[row, entry] - entry) / 10) ** 2
                for entry in range(9)
            ]
            torch.testing.assert_close(errors[draw, row], torch.stack(terms).sum())


def test_values_outside_the_bounds_are_decoded_to_the_bounds() -> None:
    decoder = FAMILY.decoder(Modality("vector", (2,), "float32", -1.0, 1.0), 4)
    assert decoder.raw(decoder.target(torch.tensor([[-9.0, 9.0]]))).tolist() == [[-1.0, 1.0]]


def test_images_may_be_bytes_or_numbers_up_to_one() -> None:
    trunk, image = FAMILY.trunk(MODALITIES[0]), values_of(MODALITIES[0], 3)
    torch.testing.assert_close(trunk(image), trunk(image / 255.0))


def test_bounds_scale_the_input() -> None:
    narrow, wide = Modality("v", (3,), "float32", -1.0, 1.0), Modality("v", (3,), "float32", 0.0, 100.0)
    first, second = FAMILY.trunk(narrow), FAMILY.trunk(wide)
    second.load_state_dict(first.state_dict())
    value = torch.rand(4, 3) * 2 - 1
    torch.testing.assert_close(first(value), second(50 * (value + 1)))


@settings(max_examples=30, deadline=None)
@given(value=st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_encoders_without_bounds_take_any_finite_number(value: float) -> None:
    for shape in ((1,), (5, 1), (1, 4, 4)):
        trunk = FAMILY.trunk(Modality("free", shape, "float32"))
        assert trunk(torch.full((1, *shape), value)).isfinite().all()


def test_decoders_need_bounds() -> None:
    for modality in [modality for modality in MODALITIES if modality.dtype == "float32"]:
        with pytest.raises(ValueError, match=rf"modality '{modality.name}' has no bounds; give `low` and `high`"):
            FAMILY.decoder(replace(FAMILY.described(modality), low=None, high=None), 4)


@settings(max_examples=20, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40))
def test_grids_of_any_size(height: int, width: int) -> None:
    modality = Modality("grid", (2, height, width), "float32", 0.0, 1.0, "image:chw")
    assert FAMILY.trunk(modality)(torch.rand(1, 2, height, width)).shape == (1, 256)
    assert FAMILY.decoder(modality, 3)(torch.rand(1, 3)).shape == (1, 2, height, width)


def test_layers_halve_the_grid_until_it_is_small() -> None:
    sides = {4: 1, 5: 1, 8: 1, 9: 2, 28: 3, 60: 4, 128: 5, 129: 5, 210: 5, 4000: 5}
    for side, count in sides.items():
        assert len(grid_channels((side, 3))) == count


@pytest.mark.parametrize(
    ("shape", "dtype", "kind"),
    [
        ((210, 160, 3), "uint8", "image"),
        ((3, 2000, 3000), "uint8", "image"),
        ((84, 84), "uint8", "image"),
        ((5, 5, 3), "uint8", "image"),
        ((4, 16, 16, 3), "uint8", "image"),
        ((512,), "uint8", "waveform"),
        ((16_000,), "float32", "waveform"),
        ((2, 1_000_000), "float32", "waveform"),
        ((100_000, 6), "float32", "sequence"),
        ((2, 1_000, 400), "float32", "spectrogram"),
    ],
)
def test_any_size_takes_bounded_weights(shape: tuple[int, ...], dtype: str, kind: str) -> None:
    modality = Modality("large", shape, dtype, -1.0 if dtype == "float32" else 0, 1.0, kind)
    with torch.device("meta"):
        trunk, decoder = FAMILY.trunk(modality), FAMILY.decoder(modality, 64)
        assert sum(weights.numel() for weights in trunk.parameters()) < 3_000_000
        assert sum(weights.numel() for weights in decoder.parameters()) < 3_000_000
        hidden = [module(torch.empty(1, *trunk.arranged.grid)).numel() for module in trunk.convolutions[:1]]
    assert max(hidden) <= 64 * 128 * 128


@pytest.mark.parametrize(
    ("first", "second", "axes"),
    [
        (((3, 20, 14), "image:chw"), ((20, 14, 3), "image:hwc"), (1, 2, 0)),
        (((2, 3, 9, 8), "image:schw"), ((2, 9, 8, 3), "image:shwc"), (0, 2, 3, 1)),
        (((2, 30, 9), "spectrogram:ctf"), ((30, 9, 2), "spectrogram:tfc"), (1, 2, 0)),
        (((2, 300), "waveform:cn"), ((300, 2), "waveform:nc"), (1, 0)),
        (((30, 5), "sequence:tf"), ((5, 30), "sequence:ft"), (1, 0)),
    ],
)
def test_the_order_of_axes_changes_nothing(first: Any, second: Any, axes: tuple[int, ...]) -> None:
    one, other = (Modality("m", shape, "float32", -1.0, 1.0, kind) for shape, kind in (first, second))
    value = torch.rand(3, *one.shape) * 2 - 1
    turned = value.permute(0, *(axis + 1 for axis in axes))
    trunk, turned_trunk = FAMILY.trunk(one), FAMILY.trunk(other)
    turned_trunk.load_state_dict(trunk.state_dict())
    torch.testing.assert_close(trunk(value), turned_trunk(turned))
    decoder, turned_decoder = FAMILY.decoder(one, 4), FAMILY.decoder(other, 4)
    torch.testing.assert_close(turned_decoder.raw(turned_decoder.target(turned)), turned)
    if not one.kind.startswith("sequence"):
        turned_decoder.load_state_dict(decoder.state_dict())
        torch.testing.assert_close(decoder.target(value), turned_decoder.target(turned))


def test_bytes_are_scaled_by_their_bounds() -> None:
    decoder = FAMILY.decoder(Modality("cards", (3,), "uint8", 0, 51), 4)
    cards = torch.tensor([[0, 17, 51]], dtype=torch.uint8)
    torch.testing.assert_close(decoder.target(cards), torch.tensor([[0, 1 / 3, 1]]))
    assert decoder.raw(decoder.target(cards)).tolist() == cards.tolist()


def test_a_family_may_name_kinds() -> None:
    class Heard(GenericNetworks):
        name = "heard"
        kinds: ClassVar[dict[str, str]] = {"touch": "waveform"}

    assert type(Heard().trunk(Modality("touch", (900,), "float32"))) is SeriesTrunk
    assert type(Heard().trunk(Modality("touch", (900,), "float32", kind="vector"))) is DenseTrunk
    described = build("gmc", {"touch": Modality("touch", (900,), "float32")}, networks=Heard()).modalities["touch"]
    assert described.kind == "waveform:n"

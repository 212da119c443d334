"""Decoders of the pendulum: published sizes, likelihoods against closed forms, and the way back to raw observations."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks, networks
from anysense.representations.networks.convolution import ConvolutionDecoder
from anysense.representations.networks.pendulum import FramesDecoder, FramesTrunk, SoundTrunk
from anysense.representations.networks.scaling import UnitInterval

DEFAULT = networks("pendulum")
PUBLISHED = networks("pendulum", image_encoder="convolution", sound_widths=(50, 50), sound_normalisation="min_max")
BOTH = pytest.mark.parametrize("chosen", [DEFAULT, PUBLISHED], ids=["default", "published"])
SMALL = Modality("image", (3, 8, 12), "uint8", 0, 255)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_published_sizes(pendulum_modalities: dict[str, Modality]) -> None:
    image, sound = (PUBLISHED.decoder(pendulum_modalities[name], 10) for name in ("image", "sound"))
    assert isinstance(image, ConvolutionDecoder)
    assert count(image) == 10 * 128 + 128 + 128 * 14_400 + 14_400 + 64 * 32 * 16 + 32 * 2 * 16
    assert count(sound) == 10 * 50 + 50 + 50 * 50 + 50 + 50 * 12 + 12
    assert (image.likelihood, sound.likelihood) == ("bernoulli", "gaussian")
    trunk = PUBLISHED.generative_trunk(pendulum_modalities["image"])
    assert (trunk.feature_dim, count(trunk)) == (128, 2 * 32 * 16 + 32 * 64 * 16 + 14_400 * 128 + 128)
    assert PUBLISHED.generative_trunk(pendulum_modalities["sound"]).feature_dim == 50


def test_default_networks(pendulum_modalities: dict[str, Modality]) -> None:
    image, sound = pendulum_modalities["image"], pendulum_modalities["sound"]
    assert isinstance(DEFAULT.generative_trunk(image), FramesTrunk)
    assert isinstance(DEFAULT.generative_trunk(sound), SoundTrunk)
    decoder = DEFAULT.decoder(image, 10)
    assert isinstance(decoder, FramesDecoder)
    assert count(decoder) < 600_000  # weights of fully connected layers are used once per sample


@BOTH
@pytest.mark.parametrize("rows", [1, 3])
def test_shapes_and_gradients(
    chosen: Networks,
    rows: int,
    pendulum_modalities: dict[str, Modality],
    pendulum_batch: Callable[..., dict[str, Tensor]],
) -> None:
    for name, modality in pendulum_modalities.items():
        value = pendulum_batch(rows)[name]
        trunk, decoder = chosen.generative_trunk(modality), chosen.decoder(modality, 5)
        assert trunk(value).shape == (rows, trunk.feature_dim)
        logits = decoder(torch.randn(2, rows, 5))
        assert logits.shape == (2, rows, *modality.shape)
        assert decoder(torch.randn(rows, 5)).shape == (rows, *modality.shape)
        error = decoder.error(logits, decoder.target(value))
        assert error.shape == (2, rows)
        (error.sum() + trunk(value).square().sum()).backward()
        for parameter in (*trunk.parameters(), *decoder.parameters()):
            assert parameter.grad is not None
            assert parameter.grad.any()


@BOTH
def test_rows_do_not_influence_each_other(chosen: Networks, pendulum_modalities: dict[str, Modality]) -> None:
    latent = torch.randn(4, 5)
    for modality in pendulum_modalities.values():
        decoder = chosen.decoder(modality, 5)
        torch.testing.assert_close(decoder(latent)[2:3], decoder(latent[2:3]), rtol=1e-4, atol=1e-5)


def test_error_of_an_image_is_the_cross_entropy_pixel_by_pixel() -> None:
    decoder = DEFAULT.decoder(SMALL, 5)
    image = torch.randint(0, 256, (2, *SMALL.shape), dtype=torch.uint8)
    logits = 3.0 * torch.randn(4, 2, *SMALL.shape)
    errors = decoder.error(logits, decoder.target(image))
    for draw in range(4):
        for row in range(2):
            probability = (1 / (1 + (-logits[draw, row].double()).exp())).flatten()
            lit = image[row].double().flatten() / 255
            expected = -(lit * probability.log() + (1 - lit) * (1 - probability).log()).sum()
            torch.testing.assert_close(errors[draw, row].double(), expected, rtol=1e-5, atol=1e-4)


def test_error_of_a_sound_is_the_squared_error_entry_by_entry(
    pendulum_modalities: dict[str, Modality], pendulum_batch: Callable[..., dict[str, Tensor]]
) -> None:
    decoder = PUBLISHED.decoder(pendulum_modalities["sound"], 5)
    value = pendulum_batch(3)["sound"]
    low, high = torch.tensor([314.285714, 0.0591627]), torch.tensor([733.333333, 0.6944444])
    logits = torch.randn(3, 2, 3, 2)
    errors = decoder.error(logits, decoder.target(value))
    for row in range(3):
        expected = (1 / (1 + (-logits[row]).exp()) - (value[row] - low) / (high - low)).square().sum()
        torch.testing.assert_close(errors[row], expected, rtol=1e-4, atol=1e-5)


def test_physical_targets_are_linear_in_approach_speed_and_log_distance(
    pendulum_modalities: dict[str, Modality],
) -> None:
    decoder = DEFAULT.decoder(pendulum_modalities["sound"], 5)
    speed, part = torch.tensor([-8.0, -4.0, 0.0, 8.0]), torch.tensor([0.0, 0.25, 0.5, 1.0])
    frequency = (440.0 * 20.0 / (20.0 - speed))[:, None, None, None].expand(4, 2, 3, 1)
    amplitude = ((1.2 * (3.2 / 1.2) ** (1 - part)) ** -2.0)[:, None, None, None].expand(4, 2, 3, 1)
    target = decoder.target(torch.cat([frequency, amplitude], dim=-1))
    torch.testing.assert_close(target[:, 0, 0, 0], part, rtol=0, atol=1e-5)
    torch.testing.assert_close(target[:, 1, 2, 1], part, rtol=0, atol=1e-5)  # the receiver above


@BOTH
def test_raw_inverts_target(
    chosen: Networks,
    pendulum_modalities: dict[str, Modality],
    pendulum_batch: Callable[..., dict[str, Tensor]],
) -> None:
    batch = pendulum_batch(20)
    image, sound = (chosen.decoder(pendulum_modalities[name], 5) for name in ("image", "sound"))
    target = image.target(batch["image"])
    assert target.dtype == torch.float32
    assert torch.equal(image.raw(target), batch["image"])
    torch.testing.assert_close(image.target(batch["image"] / 255.0), target)
    target = sound.target(batch["sound"])
    assert ((target >= 0) & (target <= 1)).all()
    torch.testing.assert_close(sound.raw(target), batch["sound"], rtol=1e-5, atol=1e-6)


@BOTH
def test_the_ends_of_the_unit_interval_are_the_bounds(
    chosen: Networks, pendulum_modalities: dict[str, Modality]
) -> None:
    modality = pendulum_modalities["sound"]
    decoder = chosen.decoder(modality, 5)
    low, high = (torch.tensor(bound, dtype=torch.float32) for bound in modality.bounds())
    for unit, bound, extreme in ((0.0, low, low.amin(dim=(0, 1))), (1.0, high, high.amax(dim=(0, 1)))):
        expected = extreme.expand(2, 3, 2) if chosen is PUBLISHED else bound
        torch.testing.assert_close(decoder.raw(torch.full((1, 2, 3, 2), unit))[0], expected)


def test_physical_targets_saturate_outside_the_bounds(pendulum_modalities: dict[str, Modality]) -> None:
    target = DEFAULT.decoder(pendulum_modalities["sound"], 5).target
    torch.testing.assert_close(target(torch.zeros(1, 2, 3, 2)), torch.zeros(1, 2, 3, 2), rtol=0, atol=1e-6)
    torch.testing.assert_close(target(torch.full((1, 2, 3, 2), 1e6)), torch.ones(1, 2, 3, 2))


def test_raw_images_are_rounded_bytes() -> None:
    decoder = DEFAULT.decoder(SMALL, 5)
    raw = decoder.raw(torch.tensor([0.0, 0.001, 0.002, 0.5, 0.999, 1.0]))
    assert raw.dtype == torch.uint8
    assert raw.tolist() == [round(255 * value) for value in (0.0, 0.001, 0.002, 0.5, 0.999, 1.0)]


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 8, 12), (2, 64, 48)])
@BOTH
def test_any_stack_and_any_size_divisible_by_four(chosen: Networks, shape: tuple[int, int, int]) -> None:
    modality = Modality("image", shape, "uint8", 0, 255)
    assert chosen.decoder(modality, 5)(torch.randn(2, 5)).shape == (2, *shape)


def test_small_frames_are_enlarged_bilinearly() -> None:
    decoder, latent = FramesDecoder(SMALL, 5, UnitInterval(SMALL), (6, 7)), torch.randn(2, 5)
    hidden = latent
    for layer in (decoder.layers[0], decoder.layers[2]):
        hidden = functional.silu(layer(hidden))
    small = decoder.layers[4](hidden).view(2, 3, 4, 6)
    expected = functional.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(decoder(latent), expected)


def test_widths_of_the_encoders_are_mirrored(pendulum_modalities: dict[str, Modality]) -> None:
    chosen = networks("pendulum", frame_widths=(9, 8), sound_widths=(7, 6))
    for name, widths in (("image", [8, 9]), ("sound", [6, 7])):
        decoder = chosen.decoder(pendulum_modalities[name], 5)
        linear = [module.out_features for module in decoder.modules() if isinstance(module, nn.Linear)]
        assert linear[:-1] == widths


def test_sound_decoder_stays_float32_under_autocast(pendulum_modalities: dict[str, Modality]) -> None:
    decoder = networks("pendulum", sound_widths=(8,)).decoder(pendulum_modalities["sound"], 5)
    latent = torch.randn(3, 5)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(decoder(latent), decoder(latent).float())
        assert decoder(latent).dtype == torch.float32


def test_normalisation_is_not_among_the_saved_weights(pendulum_modalities: dict[str, Modality]) -> None:
    for modality in pendulum_modalities.values():
        for chosen in (DEFAULT, PUBLISHED):
            decoder = chosen.decoder(modality, 5)
            assert set(decoder.state_dict()) == {name for name, _ in decoder.named_parameters()}


@pytest.mark.parametrize("method", ["trunk", "generative_trunk", "decoder"])
@pytest.mark.parametrize(
    "modality",
    [
        Modality("label", (10,), "float32", 0, 1),
        Modality("picture", (60, 60), "uint8", 0, 255),
        Modality("spectrogram", (1, 32, 128), "float32", 0, 1),
    ],
)
def test_other_modalities_are_refused(method: str, modality: Modality) -> None:
    make: Callable[..., object] = getattr(DEFAULT, method)
    arguments = (modality, 5) if method == "decoder" else (modality,)
    wanted = rf"modality '{modality.name}' .* has no (en|de)coder in the networks 'pendulum', which know uint8 images"
    with pytest.raises(ValueError, match=wanted):
        make(*arguments)


@BOTH
@pytest.mark.parametrize("shape", [(2, 30, 60), (2, 60, 61)])
def test_images_of_odd_sizes_are_refused(chosen: Networks, shape: tuple[int, int, int]) -> None:
    modality = Modality("image", shape, "uint8", 0, 255)
    with pytest.raises(ValueError, match=r"'image' must have height and width that are multiples of 4; got \(2, "):
        chosen.decoder(modality, 5)


def test_sound_without_bounds_is_refused(pendulum_modalities: dict[str, Modality]) -> None:
    modality = replace(pendulum_modalities["sound"], low=None, high=None)
    with pytest.raises(ValueError, match="modality 'sound' has no bounds"):
        DEFAULT.decoder(modality, 5)


def test_a_decoder_learns_two_rods(pendulum_batch: Callable[..., dict[str, Tensor]]) -> None:
    image = pendulum_batch(2)["image"]
    modality = Modality("image", (2, 60, 60), "uint8", 0, 255)
    decoder = FramesDecoder(modality, 2, UnitInterval(modality), (32, 32))
    optimiser = torch.optim.Adam(decoder.parameters(), 1e-2)
    latent, target = torch.eye(2), decoder.target(image)
    for _ in range(60):
        optimiser.zero_grad()
        decoder.error(decoder(latent), target).mean().backward()
        optimiser.step()
    guess = decoder.raw(decoder.mean(decoder(latent)))
    assert ((guess > 127) == (image > 127)).float().mean().item() > 0.99
    assert math.isfinite(decoder.error(decoder(latent), target).sum().item())

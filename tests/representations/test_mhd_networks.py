"""Networks of MHD: published sizes, the plain convolutions they stand for, and decoders against closed forms."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import networks
from anysense.representations.networks.convolution import ConvolutionTrunk
from anysense.representations.networks.dense import RowBatchNorm
from anysense.representations.networks.mhd import SHAPES
from tests.oracles.convolutions import silu_convolutions
from tests.representations.models import preset_model

MODALITIES = {name: Modality(name, shape, "float32", 0.0, 1.0) for name, shape in SHAPES.items()}
FAMILY = networks("mhd")
NAMES = tuple(SHAPES)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def values_of(name: str, rows: int) -> Tensor:
    values = torch.rand(rows, *SHAPES[name])
    return functional.one_hot(values.argmax(dim=1), 10).float() if name == "label" else values


def test_gmc_has_the_published_number_of_weights() -> None:
    gmc = preset_model("gmc", MODALITIES, "paper", "mhd")
    singles = {name: count(encoder) for name, encoder in gmc.encoders.items()}
    assert singles == {"image": 533_568, "sound": 345_152, "trajectory": 398_400, "label": 704}
    assert (count(gmc.joint), count(gmc.head), count(gmc)) == (1_277_632, 328_768, 2_884_224)


@pytest.mark.parametrize(
    ("name", "features", "weights"),
    [
        ("image", 512, 64 * 16 + 128 * 64 * 16 + 6272 * 512 + 512),
        ("sound", 2048, 345_152 - 2048 * 64 - 64),
        ("trajectory", 512, 200 * 512 + 512 + 2 * (512 * 512 + 512)),
        ("label", 512, 10 * 512 + 512 + 512 * 512 + 512),
    ],
)
def test_generative_encoders_have_the_published_sizes(name: str, features: int, weights: int) -> None:
    trunk = FAMILY.generative_trunk(MODALITIES[name])
    assert (trunk.feature_dim, count(trunk)) == (features, weights)


def test_the_small_label_encoder_has_two_layers_of_64_with_relu() -> None:
    trunk = networks("mhd", label_encoder="relu-64").generative_trunk(MODALITIES["label"])
    assert count(trunk) == 10 * 64 + 64 + 64 * 64 + 64
    features = trunk(values_of("label", 20))
    assert features.shape == (20, 64)
    assert (features >= 0.0).all()
    assert (features == 0.0).any()


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("image", 64 * 512 + 512 + 512 * 6272 + 6272 + 128 * 64 * 16 + 64 * 16),
        ("sound", 64 * 2048 + 2048 + 256 * 128 * 4 + 128 * 128 * 4 + 128 * 128 + 2 * (2048 + 128 + 128)),
        ("trajectory", 64 * 512 + 512 + 512 * 512 + 512 + 512 * 200 + 200),
        ("label", 64 * 512 + 512 + 512 * 512 + 512 + 512 * 10 + 10),
    ],
)
def test_decoders_have_the_published_sizes(name: str, weights: int) -> None:
    decoder = FAMILY.decoder(MODALITIES[name], 64)
    assert count(decoder) == weights
    assert decoder.shape == SHAPES[name]
    assert decoder.likelihood == ("categorical" if name == "label" else "gaussian")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", [1, 5])
def test_shapes_and_gradients(name: str, rows: int) -> None:
    value = values_of(name, rows)
    decoder = FAMILY.decoder(MODALITIES[name], 7)
    for trunk in (FAMILY.trunk(MODALITIES[name]), FAMILY.generative_trunk(MODALITIES[name])):
        assert trunk(value).shape == (rows, trunk.feature_dim)
        if count(trunk):
            trunk(value).square().sum().backward()
        assert all(parameter.grad is not None and parameter.grad.any() for parameter in trunk.parameters())
    logits = decoder(torch.randn(3, 2, rows, 7))
    assert logits.shape == (3, 2, rows, *SHAPES[name])
    error = decoder.error(logits, decoder.target(value))
    assert error.shape == (3, 2, rows)
    error.sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in decoder.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_rows_do_not_influence_each_other_in_eval_mode(name: str) -> None:
    trunk, decoder = FAMILY.trunk(MODALITIES[name]), FAMILY.decoder(MODALITIES[name], 7)
    value, latent = values_of(name, 4), torch.randn(4, 7)
    trunk(value), decoder(latent)  # moves the running statistics
    trunk.eval(), decoder.eval()
    for module, rows in ((trunk, value), (decoder, latent)):
        torch.testing.assert_close(module(rows)[2:3], module(rows[2:3]), rtol=1e-4, atol=1e-5)


def test_error_is_the_negative_log_likelihood_row_by_row() -> None:
    for name in NAMES:
        decoder, value = FAMILY.decoder(MODALITIES[name], 7).eval(), values_of(name, 3)
        logits = decoder(torch.randn(2, 3, 7))
        errors = decoder.error(logits, decoder.target(value))
        for draw in range(2):
            for row in range(3):
                if name == "label":
                    expected = -torch.softmax(logits[draw, row], dim=0)[int(value[row].argmax())].log()
                else:
                    expected = ((1 / (1 + (-logits[draw, row]).exp()) - value[row]) ** 2).sum()
                torch.testing.assert_close(errors[draw, row], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_raw_inverts_target(name: str) -> None:
    decoder, value = FAMILY.decoder(MODALITIES[name], 7), values_of(name, 3)
    assert torch.equal(decoder.raw(decoder.target(value)), value)
    mean = decoder.mean(decoder(torch.randn(3, 7)))
    assert ((mean >= 0) & (mean <= 1)).all()
    if name == "label":
        torch.testing.assert_close(mean.sum(dim=1), torch.ones(3))


def test_images_may_be_bytes() -> None:
    modality = Modality("image", (1, 28, 28), "uint8", 0, 255)
    decoder, trunk = FAMILY.decoder(modality, 7), FAMILY.trunk(modality)
    image = torch.randint(0, 256, (3, 1, 28, 28), dtype=torch.uint8)
    torch.testing.assert_close(trunk(image), trunk(image / 255.0))
    assert torch.equal(decoder.raw(decoder.target(image)), image)
    assert decoder.raw(decoder.mean(decoder(torch.randn(3, 7)))).dtype == torch.uint8


def test_other_bounds_are_scaled_away() -> None:
    modality = replace(MODALITIES["trajectory"], low=-3.0, high=5.0)
    decoder, value = FAMILY.decoder(modality, 7), torch.rand(3, 200) * 8 - 3
    torch.testing.assert_close(decoder.target(value), (value + 3) / 8)
    torch.testing.assert_close(decoder.raw(decoder.target(value)), value)


@pytest.mark.parametrize("name", ["image", "sound", "trajectory"])
def test_a_pair_of_encoders_gives_what_each_gives_alone(name: str) -> None:
    """Also for images with empty parts, which are convolved block by block."""
    first, second = (FAMILY.trunk(MODALITIES[name]).train() for _ in range(2))
    value = torch.rand(9, *MODALITIES[name].shape)
    if name == "image":
        value[..., 9:, :] = 0.0
    expected = first(value), second(value)
    for got, want in zip(first.forward_pair(second, value), expected, strict=True):
        torch.testing.assert_close(got, want)


def test_the_image_encoder_is_the_published_stack_of_2d_convolutions() -> None:
    trunk, value = FAMILY.trunk(MODALITIES["image"]), torch.rand(9, 1, 28, 28)
    assert isinstance(trunk, ConvolutionTrunk)
    for _ in range(2):
        expected = silu_convolutions(value, trunk.first.weight, trunk.second.weight)
        torch.testing.assert_close(trunk(value), expected, rtol=1e-4, atol=1e-5)
        value[:, :, 9:] = 0.0


def test_the_sound_encoder_is_the_published_stack_of_2d_convolutions() -> None:
    trunk, kernel = FAMILY.trunk(MODALITIES["sound"]), {"stride": (2, 1), "padding": (1, 0), "bias": False}
    plain = nn.Sequential(
        *(nn.Conv2d(1, 128, (1, 128), bias=False), nn.BatchNorm2d(128), nn.ReLU()),
        *(nn.Conv2d(128, 128, (4, 1), **kernel), nn.BatchNorm2d(128), nn.ReLU()),
        *(nn.Conv2d(128, 256, (4, 1), **kernel), nn.BatchNorm2d(256), nn.ReLU()),
    )
    with torch.no_grad():
        plain[0].weight.copy_(trunk.frames.weight.view(128, 1, 1, 128))
        for ours, theirs in zip(trunk.halving, (plain[3], plain[6]), strict=True):
            theirs.weight.copy_(ours.weight.unsqueeze(3))
    for _ in range(2):
        sound = values_of("sound", 6)
        expected = plain(sound).squeeze(3).transpose(1, 2).flatten(1)
        torch.testing.assert_close(trunk(sound), expected, rtol=1e-3, atol=1e-4)
    trunk.eval(), plain.eval()
    expected = plain(sound).squeeze(3).transpose(1, 2).flatten(1)
    torch.testing.assert_close(trunk(sound), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_the_sound_decoder_is_the_published_stack_of_2d_convolutions(batch_norm: bool) -> None:
    decoder = networks("mhd", decoder_batch_norm=batch_norm).decoder(MODALITIES["sound"], 7)
    kernel = {"stride": (2, 1), "padding": (1, 0)}
    assert any(isinstance(module, RowBatchNorm) for module in decoder.modules()) == batch_norm

    def norm(channels: int) -> nn.Module:
        return nn.BatchNorm2d(channels) if batch_norm else nn.Identity()

    first, second = (nn.ConvTranspose2d(inputs, 128, (4, 1), bias=False, **kernel) for inputs in (256, 128))
    last = nn.ConvTranspose2d(128, 1, (1, 128), bias=False)
    plain = nn.Sequential(first, norm(128), nn.ReLU(), second, norm(128), nn.ReLU(), last)
    with torch.no_grad():
        for ours, theirs in zip(decoder.doubling, (first, second), strict=True):
            theirs.weight.copy_(ours.weight.unsqueeze(3))
        last.weight.copy_(decoder.frames.weight.T.view(128, 1, 1, 128))
    latent = torch.randn(6, 7)
    start = decoder.start(latent)
    if batch_norm:
        start = functional.batch_norm(start, None, None, training=True)
    expected = plain(torch.relu(start).view(6, 8, 256).transpose(1, 2).unsqueeze(3))
    torch.testing.assert_close(decoder.logits(latent), expected, rtol=1e-3, atol=1e-4)


def test_one_row_in_training_uses_the_running_statistics() -> None:
    norm, row = RowBatchNorm(3), torch.randn(1, 3)
    norm(torch.randn(50, 3) * 4 + 1)
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    got = norm(row)
    torch.testing.assert_close(got, norm.eval()(row))
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())


def test_two_trunks_of_a_modality_differ_and_autocast_returns_float32() -> None:
    first, second = (FAMILY.trunk(MODALITIES["sound"]) for _ in range(2))
    value = values_of("sound", 3)
    a, b = first.forward_pair(second, value)
    assert not torch.equal(a, b)
    for name in NAMES:
        trunk = FAMILY.generative_trunk(MODALITIES[name])
        with torch.autocast("cpu", torch.bfloat16):
            assert trunk(values_of(name, 2)).dtype == torch.float32


@pytest.mark.parametrize("method", ["trunk", "generative_trunk", "decoder"])
@pytest.mark.parametrize(
    "modality",
    [
        Modality("touch", (3,), "float32", 0, 1),
        Modality("image", (2, 60, 60), "uint8", 0, 255),
        Modality("label", (4,), "float32", 0, 1),
        Modality("trajectory", (200,), "uint8", 0, 255),
    ],
)
def test_other_modalities_are_refused(method: str, modality: Modality) -> None:
    make: Callable[..., object] = getattr(FAMILY, method)
    arguments = (modality, 7) if method == "decoder" else (modality,)
    with pytest.raises(
        ValueError, match=f"modality '{modality.name}' .* has no (en|de)coder in the networks 'mhd'"
    ) as got:
        make(*arguments)
    assert "image (1, 28, 28), sound (1, 32, 128), trajectory (200,), label (10,)" in str(got.value)
    assert "use the networks 'generic' or register your own in NETWORKS" in str(got.value)

"""The multimodal transformer: published sizes, positions, masks, and the same numbers as its plain form."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.representations import Modality
from anysense.representations.networks import mult
from anysense.representations.networks.kernels import stacked_transformer
from anysense.representations.networks.kernels.dropout import dropped
from anysense.representations.networks.kernels.stacked_transformer import StackedTransformer, attended, normalised
from anysense.representations.networks.mult import MulT
from anysense.representations.networks.positions import positioned, sinusoid
from tests.oracles.mult import PlainMulT, batched_cross, columns_norm, shared_parameters

STEPS = 8
SMALL = {"text": 6, "audio": 5, "vision": 4}


def sequences(features: dict[str, int], steps: int) -> dict[str, Modality]:
    return {name: Modality(name, (steps, size), "float32") for name, size in features.items()}


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def twins(scale: float = 0.1) -> tuple[MulT, PlainMulT]:
    """Both forms with the same weights, none of them 0 or 1."""
    torch.manual_seed(0)
    fast, plain = MulT(sequences(SMALL, STEPS), 60), PlainMulT(SMALL)
    with torch.no_grad():
        for parameter in fast.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=scale)
        for mine, other, where in shared_parameters(fast, plain):
            mine.copy_(other[where].view(mine.shape))
    return fast.eval(), plain.eval()


def padded_batch(rows: int) -> dict[str, Tensor]:
    batch = {name: torch.randn(rows, STEPS, size) for name, size in SMALL.items()}
    batch["text"][0, :3], batch["audio"][1, -2:], batch["vision"][2] = 0.0, 0.0, 0.0
    return batch


@pytest.mark.parametrize(
    ("features", "count"),
    [({"text": 300, "audio": 74, "vision": 35}, 1_084_410), ({"text": 300, "audio": 5, "vision": 20}, 1_081_890)],
)
def test_published_sizes(features: dict[str, int], count: int) -> None:
    assert parameters(MulT(sequences(features, 50), 60)) == count


def test_initial_weights_have_the_published_bounds() -> None:
    stack = StackedTransformer([0.0] * 3, width=30, heads=5, layers=2)
    bounds = {"enter": 120, "leave": 60, "up": 150, "down": 150}
    for name, size in bounds.items():
        largest = getattr(stack, name).abs().amax(dim=(2, 3))
        assert ((largest <= math.sqrt(6 / size)) & (largest > 0.9 * math.sqrt(6 / size))).all()
        assert not getattr(stack, f"{name}_bias").any()


def test_sinusoid() -> None:
    table = sinusoid(10, 30)
    torch.testing.assert_close(table[3, :3], torch.tensor([0.1411200, 0.9998563, 0.7206981]))
    torch.testing.assert_close(table[3, 15:18], torch.tensor([-0.9899925, 0.0169531, 0.6932490]), rtol=0, atol=1e-6)
    assert table.shape == (11, 30)
    assert not table[0].any()
    odd = sinusoid(4, 7)
    assert not odd[:, 6].any()
    torch.testing.assert_close(odd[2, 2], torch.tensor(math.sin(2 / 10_000.0)))
    with pytest.raises(ValueError, match="`width` must be at least 4 and `steps` at least 1; got 3 and 5"):
        sinusoid(5, 3)


def test_padding_gets_no_position_and_shifts_nothing() -> None:
    table, frames = sinusoid(5, 4), torch.randn(4, 2, 5)
    frames[:, 0, 1], frames[0, 1, 2] = 0.0, 0.0
    result = positioned(frames, table)
    for row in range(2):
        for step in range(5):
            padding = (row, step) in ((0, 1), (1, 2))
            expected = 2.0 * frames[:, row, step] + (0.0 if padding else table[step + 1])
            torch.testing.assert_close(result[:, row, step], expected)


@pytest.mark.parametrize("scale", [0.1, 1.0], ids=["small scores", "large scores"])
def test_equals_the_plain_form(scale: float) -> None:
    fast, plain = (model.double() for model in twins(scale))  # Rounding in float32 flips a few ReLUs.
    batch = {name: value.double() for name, value in padded_batch(4).items()}
    ours, theirs = fast(batch), plain(batch)
    assert (ours - theirs).abs().max() <= 1e-10 * theirs.abs().max()
    along = torch.randn_like(ours)
    for result in (ours, theirs):
        (result * along).sum().backward()
    for mine, other, where in shared_parameters(fast, plain):
        assert mine.grad is not None
        assert other.grad is not None
        difference = (other.grad[where].view(mine.shape) - mine.grad).abs().max()
        assert difference <= 1e-9 * mine.grad.abs().max() + 1e-9


def test_equals_the_plain_form_in_single_precision() -> None:
    fast, plain = twins()
    batch = padded_batch(4)
    ours, theirs = fast(batch), plain(batch)
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


def test_dropout_is_where_the_plain_form_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With dropout that drops nothing, but rescales, both forms still agree in training mode."""

    class Rescale(nn.Module):
        def __init__(self, dropout: float) -> None:
            super().__init__()
            self.factor = 1.0 / (1.0 - dropout)

        def forward(self, value: Tensor) -> Tensor:
            return value * self.factor

    fast, plain = twins()
    for module in (mult, stacked_transformer):
        monkeypatch.setattr(
            module, "dropped", lambda value, dropout, training: value / (1.0 - dropout) if training else value
        )
    for module in list(plain.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Dropout):
                setattr(module, name, Rescale(child.p))
    for attention in (module for module in plain.modules() if isinstance(module, nn.MultiheadAttention)):
        attention.out_proj.weight.data /= 1.0 - attention.dropout
        attention.dropout = 0.0
    batch = padded_batch(4)
    torch.testing.assert_close(fast.train()(batch), plain.train()(batch), rtol=1e-4, atol=1e-4)


def test_attention_dropout_is_where_text_is_the_source() -> None:
    fast, plain = MulT(sequences(SMALL, STEPS), 60), PlainMulT(SMALL)
    rates = [rate for count, rate in fast.cross.segments for _ in range(count)]
    published = [plain.cross[f"{target}_{source}"].layers[0].attention.dropout for target, source in fast.pairs]
    assert rates == published
    assert sorted(rates) == [0.0, 0.0, 0.0, 0.0, 0.1, 0.1]
    assert fast.memory.segments == [(3, 0.1)]


def test_cross_modal_transformers_equal_those_of_torch_in_rows() -> None:
    torch.manual_seed(0)
    stack = StackedTransformer([0.0, 0.0, 0.1], width=10, heads=5, layers=2).eval()
    with torch.no_grad():
        for parameter in stack.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    streams = [torch.randn(3, 10, 4, STEPS) for _ in range(3)]
    expected = batched_cross(stack, *(stream.permute(0, 2, 3, 1) for stream in streams))
    got = stack.cross(*(stream.flatten(2) for stream in streams), 4).view(3, 10, 4, STEPS)
    torch.testing.assert_close(got.permute(0, 2, 3, 1), expected, rtol=1e-4, atol=1e-5)


def test_later_frames_cannot_influence_earlier_ones() -> None:
    torch.manual_seed(1)
    stack, rows = StackedTransformer([0.0, 0.1], width=10, heads=5, layers=2).eval(), 3
    streams = [torch.randn(2, 10, rows, STEPS) for _ in range(3)]
    before = stack.cross(*(stream.flatten(2) for stream in streams), rows).view(2, 10, rows, STEPS)
    for place in range(3):
        changed = [stream.clone() for stream in streams]
        changed[place][..., 5:] = torch.randn(2, 10, rows, STEPS - 5)
        after = stack.cross(*(stream.flatten(2) for stream in changed), rows).view(2, 10, rows, STEPS)
        torch.testing.assert_close(after[..., :5], before[..., :5])
        assert (after[..., 5:] != before[..., 5:]).any(dim=1).all()


def test_stacks_do_not_influence_each_other() -> None:
    torch.manual_seed(2)
    stack = StackedTransformer([0.1, 0.1, 0.1], width=10, heads=5, layers=2).eval()
    x = torch.randn(3, 10, 4 * STEPS)
    changed = torch.cat([x[:1], torch.randn_like(x[1:])])
    torch.testing.assert_close(stack.last_step(x, 4)[0], stack.last_step(changed, 4)[0])
    with pytest.raises(ValueError, match="`width` must be a multiple of `heads`; got 10 and 3"):
        StackedTransformer([0.0], width=10, heads=3, layers=1)


@pytest.mark.parametrize("queries", [1, 3, STEPS])
@pytest.mark.parametrize("size", [1.0, 200.0], ids=["small", "large"])
@pytest.mark.parametrize("block", [1, 3, STEPS])
def test_attention_equals_that_of_torch(queries: int, size: float, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacked_transformer, "BLOCK", block)
    stacks, heads, width, rows = 2, 2, 3, 2
    query = size * torch.randn(stacks, heads * width, rows, queries)
    key, value = torch.randn(2, stacks, heads * width, rows, STEPS)
    ours = attended(query.flatten(2), key.flatten(2), value.flatten(2), heads, rows, 0.0)
    split = [part.unflatten(1, (heads, width)).permute(0, 3, 1, 4, 2) for part in (query, key, value)]
    seen = torch.ones(queries, STEPS, dtype=torch.bool).tril(STEPS - queries)
    theirs = functional.scaled_dot_product_attention(*split, attn_mask=seen)
    expected = theirs.permute(0, 2, 4, 1, 3).reshape(ours.shape)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


def test_norm_equals_that_of_torch() -> None:
    value = 3.0 * torch.randn(2, 6, 10, dtype=torch.float64, requires_grad=True) + 1.0
    expected = functional.layer_norm(value.transpose(1, 2), (6,)).transpose(1, 2)
    torch.testing.assert_close(normalised(value), expected)
    torch.testing.assert_close(columns_norm(value), expected)
    along = torch.randn_like(value)
    gradients = [torch.autograd.grad((result * along).sum(), value)[0] for result in (normalised(value), expected)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("dropout", [0.1, 0.25, 0.9])
def test_dropout_statistics(dropout: float) -> None:
    torch.manual_seed(5)
    ones = torch.ones(400, 500)
    result = dropped(ones, dropout, training=True)
    share = (result == 0.0).float()
    deviation = math.sqrt(dropout * (1 - dropout))
    assert abs(share.mean() - dropout) < 5 * deviation / math.sqrt(share.numel())
    values = result.unique()
    assert values.tolist() == [0.0, pytest.approx(1 / (1 - dropout), rel=1e-4)]
    centred = share - share.mean()
    for shift in (1, 2, 3, 4):  # Entries that share a random number are as independent as any.
        assert abs((centred[:, shift:] * centred[:, :-shift]).mean()) < 5 * deviation**2 / math.sqrt(share.numel())
    assert dropped(ones, dropout, training=False) is ones
    assert dropped(ones, 0.0, training=True) is ones


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1,), (3, 5), (0, 4)])
def test_dropout_has_the_gradient_of_what_it_kept(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    value = torch.rand(shape, dtype=dtype).add_(1.0).requires_grad_()
    result = dropped(value, 0.5, training=True)
    assert result.dtype == dtype
    gradient = torch.autograd.grad(result.sum(), value)[0]
    torch.testing.assert_close(gradient * value, result)


def test_training_mode_is_random_but_follows_the_seed() -> None:
    fast, batch = twins()[0].train(), padded_batch(3)
    results = []
    for seed in (6, 6, 7):
        torch.manual_seed(seed)
        results.append(fast(batch))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_unfit_modalities() -> None:
    with pytest.raises(ValueError, match=r"`modalities` must be at least two .*; got \['text'\]"):
        MulT(sequences({"text": 4}, 5), 60)
    unequal = sequences({"text": 4}, 5) | sequences({"audio": 4}, 6)
    with pytest.raises(ValueError, match=r"must have shapes \(T, F\) with one length T; got .*\(6, 4\)"):
        MulT(unequal, 60)

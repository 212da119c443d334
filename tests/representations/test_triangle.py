"""TRIANGLE: areas against Heron's formula and the cross product, the loss against loops, and what spans triangles."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from anysense.representations import Modality, build, make_settings
from anysense.representations.methods.settings.triangle import TriangleSettings
from anysense.representations.methods.triangle import TriangleContrast, triangle_areas
from anysense.representations.networks.catalogue import networks
from tests.oracles.contrasts import infonce, two_way_entropy

ONLY: dict[str, Any] = {"cosine_weight": 0.0, "alignment_weight": 1.0, "temperature": 0.1}
NAMES = ("a", "b", "c", "d")


def directions(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1)


def latents(rows: int, modalities: int, size: int = 6) -> tuple[Tensor, dict[str, Tensor]]:
    return directions(rows, size, seed=9), dict(zip(NAMES, directions(modalities, rows, size), strict=False))


def loss(joint: Tensor, single: dict[str, Tensor], **settings: Any) -> Tensor:
    (found,) = TriangleContrast(TriangleSettings(**ONLY | settings), tuple(single)).terms(joint, single).values()
    return found


def heron(first: np.ndarray, second: np.ndarray, third: np.ndarray) -> float:
    """Area by the lengths of the sides alone."""
    sides = [float(np.linalg.norm(one - two)) for one, two in itertools.combinations((first, second, third), 2)]
    half = sum(sides) / 2
    return math.sqrt(max(0.0, half * math.prod(half - side for side in sides)))


def twin(corners: list[tuple[Tensor, Tensor, Tensor]], temperature: float, smoothing: float = 0.0) -> float:
    """Mean over triangles of the two-way cross-entropy, by loops."""
    found = []
    for one, two, three in corners:
        count = len(one)
        areas = [[heron(one[i].numpy(), two[j].numpy(), three[j].numpy()) for j in range(count)] for i in range(count)]
        found.append(two_way_entropy(np.array(areas), temperature, smoothing))
    return float(np.mean(found))


def test_areas_equal_herons_and_half_the_cross_product() -> None:
    one, two, three = 2.0 * directions(4, 3), directions(5, 3, seed=1), 0.5 * directions(5, 3, seed=2)
    found = triangle_areas(one, two, three, floor=0.0)
    assert found.shape == (4, 5)
    for i, j in itertools.product(range(4), range(5)):
        cross = np.cross((two[j] - one[i]).numpy(), (three[j] - one[i]).numpy())
        assert found[i, j].item() == pytest.approx(np.linalg.norm(cross) / 2)
        assert found[i, j].item() == pytest.approx(heron(one[i].numpy(), two[j].numpy(), three[j].numpy()))


def test_areas_of_known_triangles() -> None:
    """Axes of space span half of root 3, a great circle in thirds the most that is possible; two equal corners 0."""
    axes = torch.eye(3, dtype=torch.float64)
    assert triangle_areas(*axes[:, None], floor=0.0).item() == pytest.approx(math.sqrt(3) / 2)
    angles = torch.arange(3) * 2 * math.pi / 3
    thirds = torch.stack([angles.cos(), angles.sin()], dim=1).double()
    assert triangle_areas(*thirds[:, None], floor=0.0).item() == pytest.approx(3 * math.sqrt(3) / 4)
    for corners in ((0, 0, 1), (0, 1, 0), (1, 0, 0), (2, 2, 2)):
        assert triangle_areas(*axes[list(corners)][:, None], floor=0.0).item() == pytest.approx(0.0, abs=1e-7)
        assert triangle_areas(*axes[list(corners)][:, None]).item() == pytest.approx(0.5e-4, rel=1e-3)


def test_areas_do_not_depend_on_which_corner_comes_first_nor_on_rotations() -> None:
    one, two, three = directions(3, 5, 4)
    rotation = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)).Q
    expected = triangle_areas(one, two, three).diagonal()
    for corners in itertools.permutations((one, two, three)):
        torch.testing.assert_close(triangle_areas(*corners).diagonal(), expected)
        torch.testing.assert_close(triangle_areas(*(it @ rotation for it in corners)).diagonal(), expected)


@pytest.mark.parametrize("modalities", [2, 3, 4])
def test_joint_anchor_equals_loops(modalities: int) -> None:
    joint, single = latents(4, modalities)
    corners = [(joint, one, two) for one, two in itertools.combinations(single.values(), 2)]
    for smoothing in (0.0, 0.2):
        expected = twin(corners, 0.1, smoothing)
        assert loss(joint, single, label_smoothing=smoothing).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("modalities", "anchor"), [(3, None), (3, "b"), (4, None), (4, "d")])
def test_modality_anchor_equals_loops(modalities: int, anchor: str | None) -> None:
    joint, single = latents(4, modalities)
    corners = []
    for name in [anchor] if anchor else single:
        others = [rows for other, rows in single.items() if other != name]
        corners += [(single[name], *pair) for pair in itertools.combinations(others, 2)]
    assert len(corners) == {3: 1, 4: 3}[modalities] * (1 if anchor else modalities)
    found = loss(joint, single, variant="modality_anchor", anchor=anchor)
    assert found.item() == pytest.approx(twin(corners, 0.1), rel=1e-4)


def test_order_of_samples_and_modalities_does_not_matter() -> None:
    joint, single = latents(6, 3)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    for variant in ("joint_anchor", "modality_anchor"):
        expected = loss(joint, single, variant=variant)
        shuffled = {name: single[name][order] for name in "cab"}
        torch.testing.assert_close(loss(joint[order], shuffled, variant=variant), expected)


def test_aligned_latents_cost_what_their_distances_say_and_equal_ones_log_b() -> None:
    """With all three corners equal, the triangle of two samples has two equal corners: its area is 0 as well."""
    joint, single = latents(5, 2)
    aligned = dict.fromkeys(single, joint)
    assert loss(joint, aligned).item() == pytest.approx(math.log(5), abs=1e-3)
    third = {"a": joint, "b": directions(5, 6, seed=4)}
    assert loss(joint, third, temperature=0.01).item() < 0.1  # found by one corner alone, wherever the other is


def test_gradient_is_right_and_finite_where_corners_coincide() -> None:
    rows = directions(3, 3, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda it: triangle_areas(*it, floor=1e-3), (rows,))
    for corners in (directions(1, 3, 4).expand(3, 3, 4), directions(3, 1, 4).expand(3, 3, 4)):
        leaf = corners.clone().requires_grad_()
        loss(leaf[0], {"a": leaf[1], "b": leaf[2]}).backward()
        assert leaf.grad.isfinite().all()


def test_a_part_of_cosines() -> None:
    joint, single = latents(5, 3)
    mixed = TriangleContrast(TriangleSettings(temperature=0.1, cosine_weight=0.25), tuple(single)).terms(joint, single)
    assert mixed.pop("triangle").item() == pytest.approx(0.75 * loss(joint, single).item())
    expected = {name: 0.25 * infonce(joint.numpy(), rows.numpy(), 0.3) for name, rows in single.items()}
    assert {name: term.item() for name, term in mixed.items()} == pytest.approx(expected)


MODALITY = {"variant": "modality_anchor"}
WRONG: dict[str, Callable[[], object]] = {
    "`label_smoothing` must lie in [0, 1); got 1.0": lambda: TriangleSettings(label_smoothing=1.0),
    "`anchor` has no effect with the variant 'joint_anchor'": lambda: TriangleSettings(anchor="a"),
    "`alignment_weight` must be positive for the variant 'modality_anchor' with `cosine_weight` 0": lambda: (
        TriangleSettings(variant="modality_anchor", cosine_weight=0.0)
    ),
    "`variant` 'modality_anchor' needs three modalities, the corners of a triangle; got ['a', 'b']. Use 'joint": (
        lambda: TriangleContrast(TriangleSettings(variant="modality_anchor"), ("a", "b"))
    ),
    "`anchor` must be one of 'a', 'b', 'c'; got 'd'": lambda: TriangleContrast(
        TriangleSettings(variant="modality_anchor", anchor="d"), ("a", "b", "c")
    ),
    "`cosine_weight` must be positive with the one modality 'a'": lambda: TriangleContrast(
        TriangleSettings(**ONLY), ("a",)
    ),
    "shapes (N, D), (B, D) and (B, D); got (2, 3), (4, 3), (5, 3)": lambda: triangle_areas(
        torch.zeros(2, 3), torch.zeros(4, 3), torch.zeros(5, 3)
    ),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_settings_and_calls(message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        WRONG[message]()
    assert message in str(caught.value)


def test_two_modalities_one_and_none_complete(
    pendulum_modalities: dict[str, Modality], pendulum_batch: Callable[..., Any]
) -> None:
    settings, batch = make_settings("triangle", "smoke", benchmark="pendulum"), pendulum_batch(6)
    method = build("triangle", pendulum_modalities, settings, networks("pendulum"))
    assert method.loss(batch).keys() == {"total", "image", "sound", "triangle"}
    assert all(value.item() == 0.0 for value in method.loss(batch, {"image": torch.arange(6) < 1}).values())
    image = build("triangle", {"image": pendulum_modalities["image"]}, settings, networks("pendulum"))
    assert image.loss({"image": batch["image"]}).keys() == {"total", "image"}
    assert make_settings("triangle", "paper", benchmark="digits").anchor == "image"

"""Global Workspace: its loss against loops over rows and ways, fusion, and what has no influence on what."""

import math
from itertools import combinations, permutations

import numpy as np
import pytest
import torch
from torch import Tensor

from anysense.representations import Modality, Networks, build, make_settings
from anysense.representations.batch import Batch
from anysense.representations.methods.workspace import GlobalWorkspace
from anysense.representations.observations import check_batch

SIZES = {"touch": 3, "sound": 2, "taste": 4}
HAS = [("touch", "sound", "taste"), ("touch", "sound"), ("taste",), ("sound", "taste"), ("touch", "taste")]
WEIGHTS = {"translation": 1.5, "demi_cycle": 0.7, "cycle": 0.4, "fusion": 2.0, "contrast": 0.3}


@pytest.fixture
def model(linear_networks: Networks) -> GlobalWorkspace:
    modalities = {name: Modality(name, (size,), "float32") for name, size in SIZES.items()}
    weights = {f"{name}_weight": weight for name, weight in WEIGHTS.items()}
    chosen = {"latent_dim": 5, "top_widths": (8,), "default_modality_dim": 3, "temperature": 0.2, **weights}
    made = build("workspace", modalities, make_settings("workspace", **chosen), linear_networks, seed=1)
    assert isinstance(made, GlobalWorkspace)
    return made


def observed(rows: int) -> tuple[dict[str, Tensor], Tensor]:
    generator = torch.Generator().manual_seed(0)
    values = {name: torch.rand(rows, size, generator=generator) for name, size in SIZES.items()}
    return values, torch.tensor([[name in has for has in HAS] for name in SIZES])


def checked(model: GlobalWorkspace, values: dict[str, Tensor], present: Tensor | None) -> Batch:
    return check_batch(values, present, model.modalities, torch.device("cpu"))


@torch.no_grad()
def test_loss_equals_loops_over_rows_and_ways(model: GlobalWorkspace) -> None:
    batch = checked(model, *observed(len(HAS)))
    torch.manual_seed(3)
    terms = model.loss_batch(batch)
    torch.manual_seed(3)
    noise = {name: torch.randn(len(HAS), 3) for name in SIZES}
    latents, _ = model.bottom_level(batch, noise)

    def enter(name: str, latent: Tensor) -> Tensor:
        return model.entrances[name](latent)

    def error(name: str, space: Tensor, wanted: Tensor) -> float:
        return float(((model.top_decoders[name](space) - wanted) ** 2).mean())

    found: dict[str, list[float]] = {name: [] for name in ("translation", "demi_cycle", "cycle", "fusion")}
    for row, has in enumerate(HAS):
        own = {name: latents[name][row : row + 1] for name in has}
        space = {name: torch.tanh(enter(name, latent)) for name, latent in own.items()}
        fused = torch.tanh(torch.stack([enter(name, latent) for name, latent in own.items()]).mean(dim=0))
        there = [error(to, space[one], own[to]) for one, to in permutations(has, 2)]
        found["translation"].append(float(np.mean(there)) if there else 0.0)
        found["demi_cycle"].append(float(np.mean([error(one, space[one], own[one]) for one in has])))
        found["fusion"].append(float(np.mean([error(one, fused, own[one]) for one in has])))
        cycles = []
        for one in has:
            for over in (name for name in SIZES if name != one):
                back = torch.tanh(enter(over, model.top_decoders[over](space[one])))
                cycles.append(error(one, back, own[one]))
        found["cycle"].append(float(np.mean(cycles)))
    for name, values in found.items():
        assert float(terms[name]) == pytest.approx(WEIGHTS[name] * np.mean(values), rel=1e-5)

    entropies = []
    for pair in combinations(SIZES, 2):
        rows = [row for row, has in enumerate(HAS) if set(pair) <= set(has)]
        spaces = [np.tanh(enter(name, latents[name][rows]).detach().double().numpy()) for name in pair]
        first, second = (space / np.linalg.norm(space, axis=1, keepdims=True) for space in spaces)
        odds = np.exp(first @ second.T / 0.2)
        for one in (odds, odds.T):
            entropies.append(-np.mean([math.log(row[index] / row.sum()) for index, row in enumerate(one)]))
    assert float(terms["contrast"]) == pytest.approx(WEIGHTS["contrast"] * np.mean(entropies), rel=1e-5)
    parts = [float(value) for name, value in terms.items() if name != "total"]
    assert float(terms["total"]) == pytest.approx(sum(parts), rel=1e-6)


def test_rows_are_encoded_by_what_they_have(model: GlobalWorkspace) -> None:
    values, present = observed(len(HAS))
    latents = model.encode(values, present)
    for row, has in enumerate(HAS):
        alone = model.encode({name: values[name][row : row + 1] for name in has})
        torch.testing.assert_close(latents[row : row + 1], alone, rtol=1e-5, atol=1e-6)
    assert latents.abs().max().item() < 1


def test_the_workspace_has_no_influence_on_the_lower_level(model: GlobalWorkspace) -> None:
    batch = checked(model, *observed(len(HAS)))
    terms = model.loss_batch(batch)
    sum(terms[name] for name in WEIGHTS).backward()
    for part in (model.bottom, model.decoders):
        assert all(weight.grad is None or not weight.grad.any() for weight in part.parameters())
    for part in (model.entrances, model.top_decoders):
        assert all(weight.grad is not None and weight.grad.any() for weight in part.parameters())


def test_one_modality_in_one_row_has_a_loss(model: GlobalWorkspace) -> None:
    terms = model.loss_batch(checked(model, {"sound": torch.rand(1, 2)}, None))
    assert terms["translation"].item() == terms["contrast"].item() == 0.0
    assert terms["cycle"].item() > 0
    terms["total"].backward()

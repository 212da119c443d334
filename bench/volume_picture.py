"""The picture of docs/representations.md: what a volume of 0 says, and what contrasts make of vectors without encoders.

Make it with `python -m bench.volume_picture docs/img/gram-volume.png`.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import normalize

from anysense.representations.evaluation.retrieval import ranks_by_volume
from anysense.representations.maths.contrast import (
    Contrast,
    ContrastSettings,
    CosineContrast,
    CosineSettings,
    VolumeContrast,
    VolumeSettings,
)
from anysense.representations.maths.volume import cross_volumes
from anysense.runs.figures import new_figure, save_figure

__all__ = ["draw", "free_vectors", "recalls"]

SAMPLES, DIMENSIONS = 256, 8
OTHERS = ("b", "c", "d", "e")
CONTRASTED: dict[str, ContrastSettings] = {
    "volume": VolumeSettings(variant="modality_anchor", anchor="a", temperature=0.07),
    "volume and cosine": VolumeSettings(variant="hybrid", anchor="a", temperature=0.07),
    "cosine": CosineSettings(),
}
COLOURS = ("#4477aa", "#ee6677", "#228833")


def free_vectors(settings: ContrastSettings, steps: int = 300) -> dict[str, Tensor]:
    """Unit vectors (N, D) of the anchor ``a`` and four others, trained by Adam with nothing but the contrast."""
    kind: type[Contrast] = CosineContrast if isinstance(settings, CosineSettings) else VolumeContrast
    contrast = kind(settings, ("a", *OTHERS))
    free = torch.randn(6, SAMPLES, DIMENSIONS, generator=torch.Generator().manual_seed(0)).requires_grad_()
    optimiser = torch.optim.Adam([free], lr=0.05)
    for _ in range(steps):
        joint, *single = normalize(free, dim=-1)
        terms = contrast.terms(joint, dict(zip(("a", *OTHERS), single, strict=True)))
        optimiser.zero_grad()
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return dict(zip(("a", *OTHERS), normalize(free.detach(), dim=-1)[1:], strict=True))


def recalls(vectors: dict[str, Tensor]) -> list[float]:
    """How often ``a`` is found as the first of all, by volume, given one to four of the others: means over subsets."""
    found = []
    for count in range(1, len(OTHERS) + 1):
        subsets = itertools.combinations(OTHERS, count)
        each = [torch.stack([vectors[name] for name in subset], dim=1) for subset in subsets]
        found.append(sum(ranks_by_volume(tuples, vectors["a"]).recall(1) for tuples in each) / len(each))
    return found


def draw(found: dict[str, list[float]]) -> Figure:
    """Volumes of three vectors by angle, and recalls by the number of vectors that are given."""
    figure = new_figure(9.0, 3.4)
    left, right = figure.subplots(1, 2)
    angles = torch.linspace(0, 90, 91, dtype=torch.float64)
    turned = torch.deg2rad(angles)
    first = torch.stack([turned.cos(), turned.sin(), torch.zeros_like(turned)], dim=1)
    for third, colour in zip((90, 60, 30), COLOURS, strict=True):
        tilt = torch.deg2rad(torch.tensor(float(third), dtype=torch.float64))
        second = torch.stack([tilt.cos(), torch.zeros_like(tilt), tilt.sin()]).expand(91, 3)
        anchors = torch.eye(3, dtype=torch.float64)[:1]
        volumes = cross_volumes(anchors, torch.stack([first, second], dim=1), epsilon=1e-12, floor=0.0)[0]
        left.plot(angles, volumes, color=colour, label=f"{third} degrees")
    left.set_xlabel("angle of the anchor and a first vector (degrees)")
    left.set_ylabel("volume of the three")
    left.legend(title="anchor and a second one")
    for (name, values), colour in zip(found.items(), COLOURS, strict=True):
        right.plot(range(1, 1 + len(values)), values, marker="o", color=colour, label=name)
    right.set_xticks(range(1, 1 + len(OTHERS)))
    right.set_xlabel("vectors of a sample that are given")
    right.set_ylabel(f"anchor found first of {SAMPLES}")
    right.set_ylim(0, 1.03)
    right.legend(title="trained by")
    return figure


def main(path: str) -> Path:
    """Train, draw, write."""
    return save_figure(
        draw({name: recalls(free_vectors(settings)) for name, settings in CONTRASTED.items()}),
        path,
        dpi=90,
        formats=("png",),
    )


if __name__ == "__main__":
    print(main(sys.argv[1]))

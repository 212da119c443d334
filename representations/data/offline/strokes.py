"""Pen trajectories of digits: hand-made strokes, written by many random writers."""

import dataclasses

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["FORMS", "POINTS", "Writers", "write_digits"]

FloatArray = NDArray[np.float64]

POINTS = 100
"""Points of a trajectory."""
_CONTROLS = 26
"""Control points of the curve through which a digit is written."""
_WAVES = 4
"""Cosine waves along a stroke that bend it."""


def _arc(x: float, y: float, width: float, height: float, start: float, end: float) -> FloatArray:
    """Points on an ellipse, from one angle to another in degrees (0 right, 90 top)."""
    angle = np.radians(np.linspace(start, end, max(4, int(abs(end - start) / 18))))
    return np.stack([x + width * np.cos(angle), y + height * np.sin(angle)], axis=1)


def _path(*parts: FloatArray | tuple[float, float]) -> FloatArray:
    return np.concatenate([np.atleast_2d(np.asarray(part, dtype=np.float64)) for part in parts])


# Width -0.6 to 0.6, height -1 to 1. The pen moves from stroke to stroke without a break in the trajectory.
FORMS: tuple[tuple[FloatArray, ...], ...] = (
    (
        _path(_arc(0, 0, 0.55, 1, 90, 450)),
        _path(_arc(0, 0, 0.5, 1, 60, -290)),
        _path(_arc(0, 0, 0.55, 0.95, 130, 520)),
    ),
    (
        _path((0, 1), (0, -1)),
        _path((-0.35, 0.55), (0.05, 1), (0.05, -1)),
        _path((-0.3, 0.6), (0, 1), (0, -1), (-0.4, -1), (0.4, -1)),
    ),
    (
        _path(_arc(0, 0.5, 0.5, 0.5, 160, -40), (-0.5, -1), (0.55, -1)),
        _path(_arc(0, 0.5, 0.5, 0.5, 150, -50), _arc(-0.35, -0.8, 0.2, 0.2, 60, 290), (0.0, -0.85), (0.6, -1)),
        _path((-0.5, 0.9), (0.45, 0.9), (0.4, 0.4), (-0.5, -1), (0.5, -1)),
    ),
    (
        _path(_arc(-0.05, 0.5, 0.5, 0.48, 150, -80), _arc(-0.05, -0.48, 0.58, 0.5, 80, -150)),
        _path((-0.5, 1), (0.5, 1), (-0.05, 0.2), _arc(-0.05, -0.4, 0.55, 0.58, 80, -150)),
        _path(_arc(-0.1, 0.55, 0.45, 0.42, 130, -100), (-0.2, 0.08), _arc(-0.1, -0.45, 0.6, 0.52, 90, -130)),
    ),
    (
        _path((0.0, 1), (-0.55, -0.2), (0.6, -0.2), (0.3, 0.5), (0.25, -1)),
        _path((-0.45, 0.9), (-0.5, 0.0), (0.5, 0.0), (0.4, 0.9), (0.4, -1)),
        _path((0.3, 1), (-0.55, -0.3), (0.55, -0.3), (0.3, 0.1), (0.3, 1), (0.3, -1)),
    ),
    (
        _path((0.5, 1), (-0.4, 1), (-0.45, 0.15), _arc(-0.05, -0.4, 0.55, 0.58, 110, -150)),
        _path((-0.4, 1), (-0.45, 0.2), _arc(-0.05, -0.4, 0.55, 0.58, 110, -140), (-0.4, 1), (0.5, 1)),
        _path((0.5, 0.95), (-0.25, 0.9), (-0.4, 0.1), (0.1, 0.2), _arc(0.0, -0.4, 0.5, 0.55, 60, -120)),
    ),
    (
        _path((0.35, 1), _arc(0.1, -0.1, 0.62, 0.95, 120, 200), _arc(0, -0.5, 0.52, 0.5, 190, 520)),
        _path((0.1, 1), (-0.4, 0.0), _arc(-0.02, -0.5, 0.45, 0.5, 170, 500)),
        _path((0.4, 0.9), _arc(0.1, 0.1, 0.6, 0.85, 90, 200), _arc(0, -0.55, 0.5, 0.45, 180, -170)),
    ),
    (
        _path((-0.5, 1), (0.5, 1), (-0.15, -1)),
        _path((-0.5, 0.95), (0.5, 0.95), (-0.1, -1), (-0.35, 0.0), (0.35, 0.0)),
        _path((-0.5, 0.7), (-0.45, 1), (0.5, 1), (0.1, 0.1), (0.0, -1)),
    ),
    (
        _path(_arc(0, 0.5, 0.42, 0.48, 60, 270), _arc(0, -0.5, 0.5, 0.5, 90, -270), _arc(0, 0.5, 0.42, 0.48, -90, 60)),
        _path(_arc(0, 0.5, 0.42, 0.48, 90, 450), _arc(0, -0.5, 0.52, 0.5, 90, -270)),
        _path(
            (0.4, 0.8), _arc(0, 0.5, 0.42, 0.46, 90, 260), (0.45, -0.4), _arc(0, -0.55, 0.48, 0.45, 0, -180), (0.4, 0.7)
        ),
    ),
    (
        _path(_arc(0, 0.5, 0.48, 0.48, 20, 370), (0.45, -1)),
        _path(_arc(0, 0.5, 0.48, 0.48, 60, 380), (0.45, -0.3), _arc(0, -0.5, 0.45, 0.5, 0, -140)),
        _path(_arc(-0.05, 0.5, 0.45, 0.45, 0, 360), (0.4, 0.4), (0.2, -0.4), (-0.15, -1)),
    ),
)
"""Ways to write each digit, as corner and curve points (n, 2): x to the right, y up."""


@dataclasses.dataclass(frozen=True)
class Writers:
    """W writers: shear, angle (rad) and stretch (W,), and what else distinguishes them."""

    form: NDArray[np.int64]
    """Which of `FORMS` a writer takes for a digit (W, 10)."""
    bend: FloatArray
    """How strokes deviate from the form: waves along the stroke (W, 10, waves, 2)."""
    slant: FloatArray
    turn: FloatArray
    width: FloatArray
    height: FloatArray
    speed: FloatArray
    """Where along a stroke the pen slows down (W, 2)."""

    @classmethod
    def random(cls, count: int, rng: np.random.Generator) -> "Writers":
        """As many writers as asked for."""
        return cls(
            form=np.stack([rng.integers(len(forms), size=count) for forms in FORMS], axis=1),
            bend=rng.normal(0, 0.07, (count, len(FORMS), _WAVES, 2)),
            slant=rng.normal(0.08, 0.2, count),
            turn=rng.normal(0, 0.12, count),
            width=rng.uniform(0.65, 1.2, count),
            height=rng.uniform(0.8, 1.15, count),
            speed=rng.uniform(-0.45, 0.45, (count, 2)),
        )

    def __len__(self) -> int:
        """Number of writers."""
        return len(self.slant)


def write_digits(
    labels: NDArray[np.int64], writer: NDArray[np.int64], writers: Writers, rng: np.random.Generator
) -> Tensor:
    """Trajectories of labels 0 to 9, int64 (N,), by writers with the given numbers, int64 (N,): float32 (N, 200).

    x of the 100 points, then their y; about -1 to 1, y up. No two are alike.
    """
    count = len(labels)
    bend = writers.bend[writer, labels] + rng.normal(0, 0.035, (count, _WAVES, 2))
    controls = _control_points()[labels, writers.form[writer, labels]] + np.einsum("wk,nwd->nkd", _waves(), bend)
    points = _on_curve(controls, _times(writers.speed[writer] + rng.normal(0, 0.12, (count, 2))))
    points += rng.normal(0, 0.008, points.shape)
    turn = writers.turn[writer] + rng.normal(0, 0.06, count)
    slant = writers.slant[writer] + rng.normal(0, 0.07, count)
    width, height = (scale[writer] * rng.uniform(0.9, 1.1, count) for scale in (writers.width, writers.height))
    x, y = points[..., 0] * width[:, None], points[..., 1] * height[:, None]
    x = x + slant[:, None] * y
    cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
    shift = rng.normal(0, 0.05, (2, count, 1))
    trajectory = np.concatenate([cos * x - sin * y + shift[0], sin * x + cos * y + shift[1]], axis=1)
    return torch.from_numpy(trajectory.astype(np.float32))


def _control_points() -> FloatArray:
    """All forms with the same number of points at equal distances, (10, forms, controls, 2)."""
    return np.stack([[_equally_spaced(form) for form in forms] for forms in FORMS])


def _equally_spaced(path: FloatArray) -> FloatArray:
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    length = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = np.linspace(0, length[-1], _CONTROLS)
    return np.stack([np.interp(wanted, length, path[:, axis]) for axis in (0, 1)], axis=1)


def _waves() -> FloatArray:
    """Cosines along the stroke (waves, controls), the slower the stronger."""
    along, order = np.linspace(0, np.pi, _CONTROLS), np.arange(1, _WAVES + 1)[:, None]
    return np.cos(order * along) / np.sqrt(order)


def _times(speed: FloatArray) -> FloatArray:
    """When the pen is where: increasing from 0 to 1, (N, 100)."""
    even = np.linspace(0, 1, POINTS)
    slow = np.clip(speed, -0.6, 0.6)
    return np.asarray(
        even
        + slow[:, :1] * np.sin(np.pi * even) / np.pi * 0.8
        + slow[:, 1:] * np.sin(2 * np.pi * even) / (2 * np.pi) * 0.8
    )


def _on_curve(controls: FloatArray, times: FloatArray) -> FloatArray:
    """Points (N, T, 2) of the uniform cubic B-splines with the given control points (N, K, 2)."""
    first, last = 2 * controls[:, :1] - controls[:, 1:2], 2 * controls[:, -1:] - controls[:, -2:-1]
    padded = np.concatenate([first, controls, last], axis=1)
    position = times * (controls.shape[1] - 1)
    segment = np.minimum(position.astype(np.int64), controls.shape[1] - 2)
    t = (position - segment)[..., None]
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    rows = np.arange(len(controls))[:, None]
    return np.asarray(sum(weight * padded[rows, segment + offset] for offset, weight in enumerate(weights)) / 6)

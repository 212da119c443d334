"""Read-outs: how much of the true state can be read from a latent, linearly and at all."""

from dataclasses import dataclass

import torch
from torch import Tensor

from anysense.representations.evaluation.checks import check_matrix, check_paired


@dataclass(frozen=True)
class RidgeProbe:
    """Affine map from latents to targets; see :func:`fit_ridge`.

    Attributes:
        weight: Float64 (D, T).
        bias: Float64 (T,).
    """

    weight: Tensor
    bias: Tensor

    def predict(self, latents: Tensor) -> Tensor:
        """Targets, float64 (B, T), read from latents (B, D).

        Raises:
            ValueError: ``latents`` has another number of features than the probe was fitted on.
        """
        check_matrix(latents=latents)
        if latents.shape[1] != len(self.weight):
            raise ValueError(f"`latents` must have {len(self.weight)} features, as fitted; got {latents.shape[1]}.")
        return latents.double() @ self.weight + self.bias


def fit_ridge(latents: Tensor, targets: Tensor, penalty: float = 1e-6) -> RidgeProbe:
    r"""Ridge regression in closed form, float64, intercept not penalised.

    :math:`W = (Z^\top Z/B + \lambda I)^{-1} Z^\top Y/B` with centred Z and Y; :math:`b = \bar y - \bar z W`.
    The penalty is relative to one sample, so it does not depend on B.

    Args:
        latents: Float (B, D).
        targets: Float (B, T).
        penalty: lambda > 0, in units of latent variance.

    Raises:
        ValueError: Shapes do not fit, or ``penalty`` is not positive.
    """
    _check_fit(latents, targets, penalty)
    z, y = latents.double(), targets.double()
    z_mean, y_mean = z.mean(dim=0), y.mean(dim=0)
    z, y = z - z_mean, y - y_mean
    gram = z.T @ z / len(z) + penalty * torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    weight = torch.linalg.solve(gram, z.T @ y / len(z))
    return RidgeProbe(weight=weight, bias=y_mean - z_mean @ weight)


@dataclass(frozen=True)
class KernelProbe:
    """Smooth non-linear map from latents to targets; see :func:`fit_kernel_ridge`.

    Attributes:
        anchors: Float64 (N, D), the latents it was fitted on.
        weight: Float64 (N, T).
        bias: Float64 (T,).
        bandwidth: Distance at which an anchor's influence has fallen to exp(-1/2).
    """

    anchors: Tensor
    weight: Tensor
    bias: Tensor
    bandwidth: float

    def predict(self, latents: Tensor) -> Tensor:
        """Targets, float64 (B, T), read from latents (B, D).

        Raises:
            ValueError: ``latents`` has another number of features than the probe was fitted on.
        """
        check_matrix(latents=latents)
        if latents.shape[1] != self.anchors.shape[1]:
            raise ValueError(
                f"`latents` must have {self.anchors.shape[1]} features, as fitted; got {latents.shape[1]}."
            )
        return _gaussian(latents.double(), self.anchors, self.bandwidth) @ self.weight + self.bias


def fit_kernel_ridge(
    latents: Tensor, targets: Tensor, penalty: float = 1e-3, relative_bandwidth: float = 0.3
) -> KernelProbe:
    r"""Kernel ridge regression with a Gaussian kernel, in closed form, float64.

    :math:`A = (K + \lambda I)^{-1} (Y - \bar y)` with :math:`K_{nk}=\exp(-|z_n-z_k|^2/2s^2)`, and the bandwidth s in
    units of the spread :math:`\sqrt{\frac1N\sum_n|z_n-\bar z|^2}` of the latents. A contrastive latent bends: a linear
    read-out can miss what any small network reads from it, this one does not. Needs memory for N x N numbers.

    Args:
        latents: Float (N, D).
        targets: Float (N, T).
        penalty: lambda > 0.
        relative_bandwidth: s over the spread, > 0.

    Raises:
        ValueError: Shapes do not fit, or ``penalty`` or ``relative_bandwidth`` is not positive.
    """
    _check_fit(latents, targets, penalty)
    if not relative_bandwidth > 0:
        raise ValueError(f"`relative_bandwidth` must be positive, got {relative_bandwidth}.")
    anchors, y = latents.double(), targets.double()
    spread = float((anchors - anchors.mean(dim=0)).square().sum(dim=1).mean().sqrt())
    bandwidth = max(relative_bandwidth * spread, 1e-12)  # All latents equal: any width says the same.
    gram = _gaussian(anchors, anchors, bandwidth)
    gram.diagonal().add_(penalty)
    bias = y.mean(dim=0)
    return KernelProbe(anchors, torch.linalg.solve(gram, y - bias), bias, bandwidth)


def _gaussian(latents: Tensor, anchors: Tensor, bandwidth: float) -> Tensor:
    return torch.cdist(latents, anchors).square().div(-2 * bandwidth**2).exp()


def _check_fit(latents: Tensor, targets: Tensor, penalty: float) -> None:
    check_matrix(latents=latents, targets=targets)
    if len(latents) != len(targets):
        raise ValueError(
            f"`latents` and `targets` must hold the same samples, got {len(latents)} and {len(targets)} rows."
        )
    if not penalty > 0:
        raise ValueError(f"`penalty` must be positive, got {penalty}.")


def r2_score(predictions: Tensor, targets: Tensor) -> Tensor:
    r"""Coefficient of determination per target: :math:`1-\sum_n(y_n-\hat y_n)^2/\sum_n(y_n-\bar y)^2`.

    Args:
        predictions: Float (B, T).
        targets: Float (B, T).

    Returns:
        (T,); 1 is perfect, 0 is as good as the mean, negative is worse. A constant target gives NaN.

    Raises:
        ValueError: Shapes differ.
    """
    check_paired(predictions=predictions, targets=targets)
    residual = (targets - predictions).square().sum(dim=0)
    spread = (targets - targets.mean(dim=0)).square().sum(dim=0)
    return torch.where(spread > 0, 1 - residual / spread, torch.nan)


def root_mean_squared_error(predictions: Tensor, targets: Tensor) -> Tensor:
    r"""Per target :math:`\sqrt{\frac1B\sum_n(y_n-\hat y_n)^2}`, shape (T,), in the unit of the target.

    Raises:
        ValueError: Shapes differ.
    """
    check_paired(predictions=predictions, targets=targets)
    return (targets - predictions).square().mean(dim=0).sqrt()


def pendulum_targets(state: Tensor) -> Tensor:
    """What the probe reads: (cos theta, sin theta, omega), float64 (B, 3), from states (B, 2) = [theta, omega].

    The angle itself jumps at pi, so no linear map can read it; its cosine and sine do not.
    """
    check_matrix(state=state)
    theta, omega = state.double().unbind(dim=1)
    return torch.stack([theta.cos(), theta.sin(), omega], dim=1)


PENDULUM_TARGETS = ("cos_theta", "sin_theta", "omega")

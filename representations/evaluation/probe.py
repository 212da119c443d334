"""Read-outs of numbers: how much of a quantity can be read from a latent, linearly and at all."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from anysense.common.machine import usual_torch
from anysense.representations.evaluation.checks import check_matrix, check_paired

__all__ = ["Probe", "fit_kernel_ridge", "fit_ridge", "r2_score", "root_mean_squared_error"]


@dataclass(frozen=True)
class Probe:
    """A fitted map from latents to targets: a regressor of scikit-learn for centred ones, and their mean (T,)."""

    estimator: Any
    mean: Tensor

    def predict(self, latents: Tensor) -> Tensor:
        """Targets, float64 (B, T), read from latents (B, D); ValueError if D is another than in fitting."""
        check_matrix(latents=latents)
        centred = self.estimator.predict(latents.detach().cpu().double().numpy())
        return torch.from_numpy(centred).view(len(latents), len(self.mean)) + self.mean


def fit_ridge(latents: Tensor, targets: Tensor, penalty: float = 1e-6) -> Probe:
    r"""Ridge regression, float64, intercept not penalised.

    :math:`W = (Z^\top Z/B + \lambda I)^{-1} Z^\top Y/B` with centred latents Z (B, D) and targets Y (B, T). The penalty
    lambda > 0 is in units of latent variance and does not depend on B.

    Raises:
        ValueError: Shapes do not fit, or ``penalty`` is not positive.
    """
    from sklearn.linear_model import Ridge  # Takes a second to import.

    _check_fit(latents, targets, penalty)
    return _fitted(Ridge(alpha=penalty * len(latents), solver="svd"), latents, targets)


def fit_kernel_ridge(latents: Tensor, targets: Tensor, penalty: float = 1e-3, relative_bandwidth: float = 0.3) -> Probe:
    r"""Kernel ridge regression with a Gaussian kernel, float64.

    :math:`A = (K + \lambda I)^{-1} (Y - \bar y)` with :math:`K_{nk}=\exp(-|z_n-z_k|^2/2s^2)`, and the bandwidth s in
    units of the spread :math:`\sqrt{\frac1N\sum_n|z_n-\bar z|^2}` of the latents. A contrastive latent bends: a linear
    read-out can miss what any small network reads from it, this one does not. Latents are float (N, D), targets float
    (N, T). Needs memory for N x N numbers.

    Raises:
        ValueError: Shapes do not fit, or ``penalty`` or ``relative_bandwidth`` is not positive.
    """
    from sklearn.kernel_ridge import KernelRidge

    _check_fit(latents, targets, penalty)
    if not relative_bandwidth > 0:
        raise ValueError(f"`relative_bandwidth` must be positive, got {relative_bandwidth}.")
    variance = float(latents.detach().double().var(dim=0, correction=0).sum())
    bandwidth = max(relative_bandwidth * variance**0.5, 1e-12)  # All latents equal: any width says the same.
    return _fitted(KernelRidge(alpha=penalty, kernel="rbf", gamma=0.5 / bandwidth**2), latents, targets)


def _fitted(estimator: Any, latents: Tensor, targets: Tensor) -> Probe:
    y = targets.detach().cpu().double()
    mean = y.mean(dim=0)
    return Probe(estimator.fit(latents.detach().cpu().double().numpy(), (y - mean).numpy()), mean)


def _check_fit(latents: Tensor, targets: Tensor, penalty: float) -> None:
    check_matrix(latents=latents, targets=targets)
    if len(latents) != len(targets):
        raise ValueError(
            f"`latents` and `targets` must hold the same samples, got {len(latents)} and {len(targets)} rows."
        )
    if not penalty > 0:
        raise ValueError(f"`penalty` must be positive, got {penalty}.")


@usual_torch()
def r2_score(predictions: Tensor, targets: Tensor) -> Tensor:
    r"""Coefficient of determination of each target :math:`1-\sum_n(y_n-\hat y_n)^2/\sum_n(y_n-\bar y)^2`, float64 (T,).

    1 is perfect, 0 is as good as the mean; a constant target gives NaN. Both are float (B, T); ValueError otherwise.
    """
    from sklearn.metrics import r2_score as scores

    check_paired(predictions=predictions, targets=targets)
    found = torch.full(targets.shape[1:], torch.nan, dtype=torch.float64)
    varies = (targets != targets[0]).any(dim=0)  # The mean of equal numbers may differ from them in the last bit.
    if bool(varies.any()):
        pair = (value[:, varies].double().numpy() for value in (targets, predictions))
        found[varies] = torch.from_numpy(scores(*pair, multioutput="raw_values"))
    return found


def root_mean_squared_error(predictions: Tensor, targets: Tensor) -> Tensor:
    r"""Of each target :math:`\sqrt{\frac1B\sum_n(y_n-\hat y_n)^2}`, (T,), in its unit; ValueError if shapes differ."""
    check_paired(predictions=predictions, targets=targets)
    return (targets - predictions).square().mean(dim=0).sqrt()

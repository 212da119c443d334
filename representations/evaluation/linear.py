"""Linear read-out of classes: how well a hyperplane per class separates the latents."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from anysense.representations.evaluation.checks import check_labels, check_matrix

__all__ = ["LinearClassifier", "fit_linear_classifier"]


@dataclass(frozen=True)
class LinearClassifier:
    """Affine class scores of latents; see :func:`fit_linear_classifier`.

    Attributes:
        weight: Float64 (D, C).
        bias: Float64 (C,).
        classes: (C,), the labels it was fitted on, increasing.
    """

    weight: Tensor
    bias: Tensor
    classes: Tensor

    def logits(self, latents: Tensor) -> Tensor:
        """Unnormalised log-probabilities, float64 (B, C), of latents (B, D).

        Raises:
            ValueError: ``latents`` has another number of features than the classifier was fitted on.
        """
        check_matrix(latents=latents)
        if latents.shape[1] != len(self.weight):
            raise ValueError(f"`latents` must have {len(self.weight)} features, as fitted; got {latents.shape[1]}.")
        return latents.double() @ self.weight + self.bias

    def predict(self, latents: Tensor) -> Tensor:
        """Most likely class, (B,), of latents (B, D).

        Raises:
            ValueError: ``latents`` has another number of features than the classifier was fitted on.
        """
        return self.classes[self.logits(latents).argmax(dim=1)]


def fit_linear_classifier(
    latents: Tensor, labels: Tensor, penalty: float = 1e-4, max_steps: int = 500
) -> LinearClassifier:
    r"""Multinomial logistic regression on standardised features, float64, intercept not penalised.

    Minimises :math:`-\frac1B\sum_n\log p(y_n|z_n)+\frac\lambda2|W|^2` by L-BFGS from zero, so the result depends on
    nothing but the arguments. A constant feature gets weight 0.

    Args:
        latents: Float (B, D).
        labels: Integer (B,), at least two classes.
        penalty: lambda > 0.
        max_steps: Most L-BFGS steps.

    Raises:
        ValueError: Shapes do not fit, one class only, or ``penalty`` or ``max_steps`` is not positive.
    """
    check_labels(latents=latents, labels=labels)
    if not penalty > 0 or max_steps < 1:
        raise ValueError(f"`penalty` and `max_steps` must be positive, got {penalty} and {max_steps}.")
    classes, kinds = torch.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"`labels` must hold at least two classes, got only {classes.tolist()}.")
    z = latents.detach().double()
    mean, spread = z.mean(dim=0), z.std(dim=0, correction=0)
    spread = torch.where(spread > 1e-12 * (1 + mean.abs()), spread, torch.inf)
    weight, bias = _minimise((z - mean) / spread, kinds, len(classes), penalty, max_steps)
    weight = weight / spread[:, None]
    return LinearClassifier(weight, bias - mean @ weight, classes)


@torch.inference_mode(False)
@torch.enable_grad()
def _minimise(features: Tensor, kinds: Tensor, n_classes: int, penalty: float, max_steps: int) -> tuple[Tensor, Tensor]:
    features, kinds = features.clone(), kinds.clone()  # Usable here even if they come from inference mode.
    weight = features.new_zeros(features.shape[1], n_classes).requires_grad_()
    bias = features.new_zeros(n_classes).requires_grad_()
    optimiser = torch.optim.LBFGS(
        [weight, bias], max_iter=max_steps, tolerance_grad=1e-9, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(features @ weight + bias, kinds)
        loss = loss + penalty / 2 * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    step: Callable[[Callable[[], Tensor]], Tensor] = optimiser.step
    step(closure)
    return weight.detach(), bias.detach()

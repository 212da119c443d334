"""Fully connected layers, for encoders and decoders alike."""

from collections.abc import Iterable

from torch import Tensor, nn

__all__ = ["RowBatchNorm", "layers"]


def layers(inputs: int, widths: Iterable[int], activation: type[nn.Module] = nn.SiLU) -> nn.Sequential:
    """Linear layers, each followed by the activation."""
    modules: list[nn.Module] = []
    for width in widths:
        modules += [nn.Linear(inputs, width), activation()]
        inputs = width
    return nn.Sequential(*modules)


class RowBatchNorm(nn.BatchNorm1d):
    """Batch normalisation over all leading axes: (..., C).

    A single row has no batch statistics; it uses the running ones, also in training.
    """

    def forward(self, value: Tensor) -> Tensor:
        """Normalised values, of the same shape."""
        rows = value.reshape(-1, self.num_features)
        if len(rows) > 1 or not self.training:
            return super().forward(rows).view(value.shape)
        return nn.functional.batch_norm(
            rows, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        ).view(value.shape)

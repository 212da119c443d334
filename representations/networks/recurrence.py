"""The recurrence of several one-layer GRUs at once, with a backward pass of four operations per time step.

Letters: M recurrent networks of the same size with their own weights, B rows, T time steps, H hidden units.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["gated_recurrence"]


def gated_recurrence(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Hidden states of `torch.nn.GRU` (Cho et al., 2014) from projected inputs, starting at zero.

    Args:
        inputs: ``W_i x + b_i`` (M, B, T, 3 H), in the order reset, update, new.
        weight: ``W_h`` (M, 3 H, H).
        bias: ``b_h`` (M, 3 H).

    Returns:
        Hidden states (M, B, T, H).
    """
    states: Tensor = _GatedRecurrence.apply(inputs, weight, bias)  # type: ignore[no-untyped-call]
    return states


class _GatedRecurrence(torch.autograd.Function):
    """Works time first; what each step needs of the others is only the hidden state and its gradient."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        networks, rows, steps, size = inputs.shape
        hidden = size // 3
        projected = inputs.permute(2, 0, 1, 3).contiguous()
        states = projected.new_zeros(steps + 1, networks, rows, hidden)
        gates = projected.new_empty(steps, networks, rows, 2 * hidden)
        recurrent = projected.new_empty(steps, networks, rows, hidden)
        new = torch.empty_like(recurrent)
        transposed, offset = weight.transpose(1, 2).contiguous(), bias[:, None]
        for t in range(steps):
            product = torch.baddbmm(offset, states[t], transposed)
            torch.add(projected[t, ..., : 2 * hidden], product[..., : 2 * hidden], out=gates[t]).sigmoid_()
            recurrent[t] = product[..., 2 * hidden :]
            reset, update = gates[t, ..., :hidden], gates[t, ..., hidden:]
            torch.addcmul(projected[t, ..., 2 * hidden :], reset, recurrent[t], out=new[t]).tanh_()
            torch.lerp(new[t], states[t], update, out=states[t + 1])
        ctx.save_for_backward(weight, states, gates, recurrent, new)
        return states[1:].permute(1, 2, 0, 3)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weight, states, gates, recurrent, new = ctx.saved_tensors
        reset, update = gates.chunk(2, dim=-1)
        # How the gradient of a state reaches the inputs of its gates, for all steps before the loop.
        to_new = (1.0 - update) * (1.0 - new * new)
        to_update = (states[:-1] - new) * update * (1.0 - update)
        to_reset = to_new * recurrent * reset * (1.0 - reset)
        factors = torch.stack([to_reset, to_update, to_new * reset], dim=-2)
        arriving = gradient.permute(2, 0, 1, 3).contiguous()
        products = torch.empty_like(factors)
        for t in range(len(arriving) - 1, -1, -1):
            torch.mul(factors[t], arriving[t].unsqueeze(-2), out=products[t])
            if t > 0:
                carried = torch.baddbmm(arriving[t] * update[t], products[t].flatten(-2), weight)
                arriving[t - 1].add_(carried)
        return _collected(arriving, to_new, products, states)


def _collected(arriving: Tensor, to_new: Tensor, products: Tensor, states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of inputs, weight and bias from those of the states and of the recurrent products."""
    by_network = products.flatten(-2).transpose(0, 1).flatten(1, 2)
    before = states[:-1].transpose(0, 1).flatten(1, 2)
    of_inputs = torch.cat([products[..., :2, :].flatten(-2), arriving * to_new], dim=-1)
    return of_inputs.permute(1, 2, 0, 3), torch.bmm(by_network.transpose(1, 2), before), by_network.sum(dim=1)

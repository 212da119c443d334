"""Global Workspace: encoders of frozen unimodal latents into one space that decodes to all of them.

Sources: Devillers et al., Semi-supervised multimodal representation learning through a global workspace, IEEE TNNLS
2024 (arXiv 2306.15711): translation, demi-cycles, cycles and a contrast; Maytie et al., Zero-shot cross-modal transfer
of reinforcement learning policies through a global workspace, RLC 2024 (arXiv 2403.04588): such a space for agents.
There the unimodal latents come from VAEs that were trained before; here these train beside, and the workspace sees
detached samples, so that it has no influence on them either.

Letters: B rows, M modalities, d_m size of the latent of modality m, D size of the workspace.
"""

from collections.abc import Mapping
from itertools import combinations, permutations

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.representations.batch import Batch
from anysense.representations.maths.contrast import two_way_entropy
from anysense.representations.methods.settings.workspace import WorkspaceSettings
from anysense.representations.methods.two_level import LowerLevel
from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks
from anysense.representations.networks.dense import layers

__all__ = ["GlobalWorkspace", "WorkspaceSettings"]


class GlobalWorkspace(LowerLevel):
    """One encoder of each modality's latent into the workspace; what a row has is fused by tanh of their mean.

    Attributes:
        entrances: From each modality's own latent to the workspace, before tanh.
    """

    method = "workspace"
    settings_class = WorkspaceSettings

    settings: WorkspaceSettings

    def __init__(self, modalities: Mapping[str, Modality], settings: WorkspaceSettings, networks: Networks) -> None:
        super().__init__(modalities, settings, networks)
        self.entrances = nn.ModuleDict(
            {
                name: layers(settings.modality_dim(name), settings.top_widths, nn.ReLU, outputs=settings.latent_dim)
                for name in modalities
            }
        )

    def encode_batch(self, batch: Batch) -> Tensor:
        """Workspace (B, D) of all that each row has, from the means of the lower latents."""
        means = self.bottom_means(batch)
        with torch.autocast(self.device.type, enabled=False):
            return self.fused(self._entered(means), batch)

    def fused(self, entered: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Mean (B, D), under tanh, of what the modalities of each row bring into the workspace, (B, D) each."""
        present = batch.present_of(entered).unsqueeze(-1)
        total = torch.where(present, torch.stack(list(entered.values())), 0.0).sum(dim=0)
        return torch.tanh(total / present.sum(dim=0))

    def loss_batch(self, batch: Batch) -> dict[str, Tensor]:
        """``"total"``, the sum of all other terms, which are weighted already.

        ``reconstruction`` and ``kl`` belong to the lower level. Of the workspace are ``translation`` (mean over all
        ordered pairs of two modalities that a row has), ``demi_cycle`` (mean over its modalities), ``cycle`` (mean over
        the ways of its modalities over any other one and back), ``fusion`` (mean over its modalities): squared errors
        of latents, averaged over their numbers; and ``contrast``, the mean over pairs of modalities of the entropy of
        which workspace of the one belongs to which of the other, by cosine, among the rows that have both.
        """
        latents, rows = self.bottom_level(batch, self.draw_bottom_noise(batch.size))
        with torch.autocast(self.device.type, enabled=False):
            terms = {name: value.mean() for name, value in rows.items()} | self._workspace_terms(latents, batch)
            return {"total": torch.stack(list(terms.values())).sum(), **terms}

    def _entered(self, latents: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: self.entrances[name](latent) for name, latent in latents.items()}

    def _workspace_terms(self, latents: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        settings = self.settings
        entered = self._entered(latents)
        spaces = {name: torch.tanh(value) for name, value in entered.items()}
        has = {name: batch.present_of([name])[0] for name in latents}
        translated = {(one, to): self.top_decoders[to](spaces[one]) for one in spaces for to in self.modalities}
        fused = self.fused(entered, batch)
        ways = [(one, over) for one, over in permutations(self.modalities, 2) if one in latents]

        def error(predicted: Tensor, name: str) -> Tensor:
            return (predicted - latents[name]).square().mean(dim=1)

        def back(one: str, over: str) -> Tensor:
            return self.top_decoders[one](torch.tanh(self.entrances[over](translated[one, over])))  # type: ignore[no-any-return]

        pairs = [(one, to) for one, to in permutations(latents, 2)]
        parts = {
            "translation": [(error(translated[one, to], to), has[one] & has[to]) for one, to in pairs],
            "demi_cycle": [(error(translated[one, one], one), has[one]) for one in latents],
            "cycle": [(error(back(one, over), one), has[one]) for one, over in ways],
            "fusion": [(error(self.top_decoders[one](fused), one), has[one]) for one in latents],
        }
        terms = {name: getattr(settings, f"{name}_weight") * _mean(part, fused) for name, part in parts.items()}
        return terms | {"contrast": settings.contrast_weight * self._contrast(spaces, has, fused)}

    def _contrast(self, spaces: Mapping[str, Tensor], has: Mapping[str, Tensor], like: Tensor) -> Tensor:
        entropies = []
        for one, other in combinations(spaces, 2):
            both = has[one] & has[other]
            if int(both.sum()) > 1:
                first, second = (functional.normalize(spaces[name][both], dim=1) for name in (one, other))
                entropies.append(two_way_entropy(1.0 - first @ second.T, self.settings.temperature))
        return torch.stack(entropies).mean() if entropies else 0.0 * like.sum()


def _mean(parts: list[tuple[Tensor, Tensor]], like: Tensor) -> Tensor:
    """Mean over rows of the mean of those values (B,) that each row has; rows without any count as 0."""
    if not parts:
        return 0.0 * like.sum()
    values, counts = (torch.stack(column) for column in zip(*parts, strict=True))
    return (torch.where(counts, values, 0.0).sum(dim=0) / counts.sum(dim=0).clamp(min=1)).mean()

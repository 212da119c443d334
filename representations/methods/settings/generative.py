"""Settings of the generative methods with one latent: MVAE, MMVAE and MFM."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from anysense.representations.settings import MethodSettings, Names

__all__ = ["ByModality", "ExpertSettings", "GenerativeSettings", "MFMSettings", "MMVAESettings", "MVAESettings"]

ByModality = tuple[tuple[str, float], ...]
"""Numbers by modality name, for example (("image", 1.0), ("sound", 100.0))."""
Objective = Literal["elbo_simple", "iwae_looser", "iwae", "dreg_looser"]
Posterior = Literal["gaussian", "laplace"]


@dataclass(frozen=True)
class GenerativeSettings(MethodSettings):
    """Settings that every generative method has."""

    latent_dim: int = 10
    """Size of the latent."""
    reconstruction_weights: ByModality = ()
    """Weight of each modality's reconstruction error; 1 for modalities not named."""

    positive: ClassVar[Names] = ("latent_dim",)
    non_negative: ClassVar[Names] = ("reconstruction_weights",)
    search: ClassVar[Mapping[str, str]] = {"reconstruction_weights": "1..1000:log"}


@dataclass(frozen=True)
class ExpertSettings(GenerativeSettings):
    """Settings of the methods whose posteriors are products of experts."""

    beta: float = 1.0
    """Weight of the divergences."""
    warmup_epochs: int = 0
    """Epochs over which ``beta`` rises linearly; 0 means that it holds from the start."""

    non_negative: ClassVar[Names] = ("beta", "warmup_epochs")
    search: ClassVar[Mapping[str, str]] = {"beta": "0.01..10:log"}


@dataclass(frozen=True)
class MVAESettings(ExpertSettings):
    """Architecture and loss of MVAE."""

    random_subsets: int = 0
    """Random subsets, of at least two but not all modalities of a row, that are trained besides all and each single
    one."""
    separate_passes: bool = False
    """Encode and decode every subset by itself, as published: batch normalisation then sees one subset at a time, and
    its running statistics advance once for each. Otherwise every network runs once, which is faster, and the same for
    networks without batch normalisation."""
    mean_as_log_variance: tuple[str, ...] = ()
    """Modalities whose expert uses its mean as its log-variance too. Repeats, with ``("sound",)``, a coding error in
    the pendulum baseline of the GMC paper (Poklukar et al., ICML 2022)."""

    non_negative: ClassVar[Names] = ("random_subsets",)


@dataclass(frozen=True)
class MMVAESettings(GenerativeSettings):
    """Architecture and loss of MMVAE."""

    objective: Objective = "elbo_simple"
    """``elbo_simple``: mean over sources of error and divergence from N(0, I), an upper bound on the mixture's own.
    The others use the density of the mixture: ``iwae_looser`` averages the importance-weighted bounds of the sources
    (with one sample: the published loss), ``iwae`` weights all samples together, ``dreg_looser`` is ``iwae_looser``
    with the doubly reparametrised gradient."""
    expert_samples: int = 1
    """Samples of each expert."""
    posterior: Posterior = "gaussian"
    """``gaussian``, or as published ``laplace``: scales that average to 1 over the latent; normal for labels."""
    laplace_likelihood: float | None = None
    """Scale of Laplace likelihoods in place of squared errors; None keeps the squared errors. Published: 0.75."""
    detach_posterior: bool = True
    """``iwae_looser`` and ``iwae``: no gradient through the parameters of the mixture's density (sticking the landing),
    as published. With more than one sample this biases the gradient; ``dreg_looser`` corrects it."""
    beta: float = 1.0
    """``elbo_simple``: weight of the divergence from the prior."""
    warmup_epochs: int = 0
    """``elbo_simple``: epochs over which ``beta`` rises linearly; 0 means that it holds from the start."""
    ignore_first_class: bool = False
    """Leave out the label's likelihood in rows of the first class. Repeats a coding error in the baseline of the GMC
    paper (Poklukar et al., ICML 2022)."""

    positive: ClassVar[Names] = ("expert_samples", "laplace_likelihood")
    non_negative: ClassVar[Names] = ("beta", "warmup_epochs")
    search: ClassVar[Mapping[str, str]] = {"beta": "0.01..10:log", "laplace_likelihood": "0.1..2:log"}

    def __post_init__(self) -> None:
        """Checks types and ranges."""
        super().__post_init__()
        if self.objective in ("elbo_simple", "dreg_looser"):
            self.require_default("detach_posterior", reason=f"on the objective {self.objective!r}")
        if self.objective != "elbo_simple":
            self.require_default("beta", "warmup_epochs", reason=f"on the objective {self.objective!r}")
        elif self.posterior != "gaussian":
            raise ValueError(
                f"`posterior` must be 'gaussian' for the objective 'elbo_simple'; got {self.posterior!r}. Choose "
                "another `objective`."
            )


@dataclass(frozen=True)
class MFMSettings(GenerativeSettings):
    """Architecture and loss of MFM."""

    code_dim: int = 64
    """Size of each modality's code."""
    factor_dim: int = 10
    """Size of each modality's generative factor; the decoders read ``factor_dim + latent_dim`` numbers."""
    intermediate_widths: tuple[int, ...] = (64,)
    """Widths of the hidden layers from a code to its generative factor."""
    fusion_widths: tuple[int, ...] = (128,)
    """Widths of the hidden layers from all codes to the latent."""
    head_widths: tuple[int, ...] = (20,)
    """Widths of the hidden layers from the latent to class logits."""
    supervised_modality: str | None = None
    """Modality with one-hot class labels that the head learns to predict from the latent; no head if None. It remains
    an input, so that the latent may copy it."""
    supervised_weight: float = 0.0
    """Weight of the head's cross-entropy."""
    as_published: bool = False
    """End the head in a ReLU, as in the published baseline: no logit is then negative, and units can die."""
    modality_dropout: float = 0.0
    """Probability that training blanks the code of a modality, at least one being kept (not in the paper: there,
    absent modalities first occur after training)."""

    positive: ClassVar[Names] = (
        "code_dim",
        "factor_dim",
        "intermediate_widths",
        "fusion_widths",
        "head_widths",
    )
    non_negative: ClassVar[Names] = ("supervised_weight",)
    search: ClassVar[Mapping[str, str]] = {"supervised_weight": "0.1..100:log"}

    def __post_init__(self) -> None:
        """Checks types and ranges."""
        super().__post_init__()
        if self.supervised_modality is None:
            reason = "without `supervised_modality`"
            self.require_default("supervised_weight", "head_widths", "as_published", reason=reason)
        if not 0.0 <= self.modality_dropout < 1.0:
            raise ValueError(f"`modality_dropout` must lie in [0, 1); got {self.modality_dropout}.")

"""Presets for any modalities, with the networks that go by shape and dtype alone."""

from anysense.representations.benchmarks.presets import Presets

__all__ = ["GENERIC"]

_GMC = {"head_widths": (256,), "latent_dim": 64}
_SMALL_TOP = {"latent_dim": 8, "default_modality_dim": 4, "default_latent_weight": 1.0, "top_widths": (32,)}

GENERIC = Presets(
    name="generic",
    family="generic",
    settings={
        "gmc": {"*": _GMC, "paper": {"centre": False, "temperature": 0.1}},
        "gram": {"*": _GMC, "paper": {"centre": False, "temperature": 0.07, "label_smoothing": 0.1}},
        "mfm": {"*": {"latent_dim": 64, "factor_dim": 64}},
        # The warm-up keeps experts from collapsing onto the prior, where their gradient vanishes.
        "mvae": {"*": {"latent_dim": 64, "warmup_epochs": 10}},
        "mmvae": {"*": {"latent_dim": 64}},
        "muse": {"*": {"latent_dim": 64, "top_widths": (256, 256)}, "smoke": _SMALL_TOP},
        "nexus": {"*": {"latent_dim": 64, "message_dim": 256}, "smoke": _SMALL_TOP | {"message_dim": 16}},
    },
    training_settings={"smoke": {"epochs": 2, "batch_size": 64, "warmup_steps": 5}},
    collection_settings={"smoke": {"samples": 1_000}},
)

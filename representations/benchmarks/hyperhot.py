"""Presets for Hyperhot; its environment's are in `anysense.envs.hyperhot.world`."""

from anysense.representations.benchmarks.presets import Presets

__all__ = ["HYPERHOT"]

_GMC = {"latent_dim": 64, "head_widths": (256,)}
_SMALL_GMC = {"common_dim": 16, "head_widths": (32,), "centre": False, "latent_dim": 8}
_SMALL_TOP = {"latent_dim": 8, "default_modality_dim": 4, "default_latent_weight": 1.0, "top_widths": (32,)}
_MUSE = {"latent_dim": 40, "modality_dims": (("image", 64), ("sound", 64)), "top_widths": (512, 512, 512)}

HYPERHOT = Presets(
    name="hyperhot",
    family="hyperhot",
    settings={
        "gmc": {"*": _GMC, "smoke": _SMALL_GMC, "paper": {"centre": False}},
        "gram": {"*": _GMC, "smoke": _SMALL_GMC, "paper": {"centre": False, "temperature": 0.07}},
        "mfm": {"*": {"latent_dim": 64, "factor_dim": 64}},
        "mvae": {"*": {"latent_dim": 64}, "smoke": {"latent_dim": 8}},
        "mmvae": {"*": {"latent_dim": 64}, "smoke": {"latent_dim": 8}},
        "muse": {"*": _MUSE, "smoke": _SMALL_TOP | {"modality_dims": ()}},
        "nexus": {"*": {"latent_dim": 64, "message_dim": 256}, "smoke": _SMALL_TOP | {"message_dim": 16}},
        "symile": {},
        "triangle": {"default": {"cosine_weight": 0.9}},  # Two modalities, as the pendulum has.
    },
    family_settings={
        "smoke": {"frame_widths": (32,), "frame_dim": 16, "source_widths": (16,), "sound_widths": (32,)},
    },
    training_settings={
        "smoke": {"epochs": 2, "batch_size": 64, "warmup_steps": 5},
        "default": {"epochs": 12},
        "paper": {"epochs": 250, "batch_size": 128, "learning_rate": 1e-3, "schedule": "constant", "keep": "last"},
    },
    collection_settings={
        "smoke": {"samples": 1_000},
        "default": {"samples": 50_000},
        "paper": {"policy": "random"},
    },
)
"""``paper`` is Vasco et al. (AAMAS 2022) where it says something: sizes of MUSE, data, training; networks are ours."""

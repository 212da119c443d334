"""Presets for Hyperhot; its environment's are in `anysense.envs.hyperhot.world`."""

from anysense.representations.benchmarks.presets import Presets

__all__ = ["HYPERHOT"]

_GMC = {"latent_dim": 64, "head_widths": (256,)}
_SMALL_GMC = {"common_dim": 16, "head_widths": (32,), "centre": False, "latent_dim": 8}
_SMALL_TOP = {"latent_dim": 8, "default_modality_dim": 4, "default_latent_weight": 1.0, "top_widths": (32,)}

HYPERHOT = Presets(
    name="hyperhot",
    family="hyperhot",
    settings={
        "gmc": {"*": _GMC, "smoke": _SMALL_GMC},
    },
    family_settings={
        "smoke": {"frame_widths": (32,), "frame_dim": 16, "source_widths": (16,), "sound_widths": (32,)},
    },
    training_settings={"default": {"epochs": 12}, "smoke": {"epochs": 2, "batch_size": 64, "warmup_steps": 5}},
    collection_settings={"default": {"samples": 50_000}, "smoke": {"samples": 1_000}, "paper": {"policy": "random"}},
)

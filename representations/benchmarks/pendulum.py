"""Presets for the multimodal pendulum; its environment's are in `anysense.envs.pendulum.world`."""

from anysense.representations.benchmarks.presets import Presets

__all__ = ["PENDULUM"]

_SMALL_GMC = {"common_dim": 16, "head_widths": (32,), "centre": False, "latent_dim": 8}
_VAE = {"reconstruction_weights": (("sound", 100.0),)}
_LATENTS = _VAE | {"modality_dims": (("image", 16), ("sound", 8))}
_SMALL_LATENTS = {"modality_dims": (("image", 8), ("sound", 8)), "top_widths": (32,), "latent_dim": 8}
_IWAE = {"objective": "iwae_looser", "posterior": "laplace", "laplace_likelihood": 0.75}
_PUBLISHED_TRAINING = {"epochs": 500, "batch_size": 128, "learning_rate": 1e-3, "schedule": "constant", "keep": "last"}

PENDULUM = Presets(
    name="pendulum",
    family="pendulum",
    settings={
        "gmc": {"smoke": _SMALL_GMC, "paper": {"centre": False}},
        "gram": {
            "smoke": _SMALL_GMC,
            "default": {"variant": "hybrid"},
            "paper": {"centre": False, "temperature": 0.07, "label_smoothing": 0.1},
        },
        # The paper has no MFM of the pendulum: sizes are ours, and nothing is supervised. Its latent ends in a ReLU:
        # of 10 numbers 4 were zero for every input, which left the velocity hard to read.
        "mfm": {
            "*": _VAE,
            "default": {"latent_dim": 32},
            "smoke": {"code_dim": 16, "intermediate_widths": (16,), "fusion_widths": (32,)},
        },
        "mvae": {
            "*": _VAE,
            "smoke": {"latent_dim": 8},
            "paper": {"reconstruction_weights": (("image", 1.0), ("sound", 1.0))},
        },
        # Nor MMVAE: `paper` applies the published loss to the published networks.
        "mmvae": {"*": _VAE, "smoke": {"latent_dim": 8}, "paper": _IWAE},
        # With the published weight of 10 the upper latent keeps too little of the angular velocity to act on.
        "muse": {
            "*": _LATENTS,
            "default": {"default_latent_weight": 100.0},
            "smoke": _SMALL_LATENTS,
            "paper": {"top_warmup_epochs": 200},
        },
        "nexus": {"*": _LATENTS, "smoke": _SMALL_LATENTS | {"message_dim": 16}},
        "symile": {},
        # With two modalities a triangle has no area as soon as one of them meets the joint latent: with half a part of
        # cosines the agent saw nothing in the image, with this one it acts on either.
        "triangle": {"default": {"cosine_weight": 0.9}},
    },
    family_settings={
        "smoke": {"frame_widths": (32,), "frame_dim": 16, "sound_widths": (32,)},
        "paper": {"image_encoder": "convolution", "sound_widths": (50, 50), "sound_normalisation": "min_max"},
    },
    training_settings={
        "smoke": {"epochs": 2, "batch_size": 64, "warmup_steps": 5},
        "paper": _PUBLISHED_TRAINING | {"precision": "32"},
    },
    collection_settings={"smoke": {"samples": 1_000}, "paper": {"samples": 20_000, "policy": "random"}},
)
"""``paper`` is Poklukar et al. (ICML 2022): Adam 1e-3 for 500 epochs, last weights."""

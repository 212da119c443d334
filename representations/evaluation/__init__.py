"""Evaluation of representations: latents of any subset of modalities, metrics on them, and tasks.

Alignment (Liang et al., 2022, "Mind the gap", speak of the modality gap), retrieval and read-outs need nothing
but latents, so they apply to every method.
"""

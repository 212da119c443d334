"""Exported folders on a hub (Hugging Face's, or one that speaks as it does): names, calls, downloads."""

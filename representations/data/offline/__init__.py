"""Multimodal digits made on this machine: no download, the same shapes as the published data."""

from anysense.representations.data.offline.build import load_mhd_offline

__all__ = ["load_mhd_offline"]

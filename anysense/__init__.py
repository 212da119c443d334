"""Agents that keep acting when a modality goes missing."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("anysense")

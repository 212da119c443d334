"""Recorded data: transitions of a world and how to collect them, samples of any modalities, readers, stand-ins."""

from anysense.representations.data.collect import CollectSettings, collect, collection_bytes
from anysense.representations.data.recorded import Recorded
from anysense.representations.data.samples import Samples, Splits
from anysense.representations.data.transitions import Transitions

__all__ = ["CollectSettings", "Recorded", "Samples", "Splits", "Transitions", "collect", "collection_bytes"]

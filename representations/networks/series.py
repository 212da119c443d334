"""Encoder and decoder of waveforms and sequences of any length.

Letters: B samples, C channels (features of a sequence), N places.
"""

import math

from torch import Tensor, nn

from anysense.representations.modality import Modality
from anysense.representations.networks.decoder import ScaledDecoder
from anysense.representations.networks.dense import layers
from anysense.representations.networks.frames import Arrangement
from anysense.representations.networks.scaling import Centred, UnitInterval
from anysense.representations.networks.trunk import ConvolutionTrunk

__all__ = ["SeriesDecoder", "SeriesTrunk", "frame_step"]

CHANNELS = 64
FEWEST_PLACES = 4
"""Layers go on halving until so few places are left."""
LONGEST_SEQUENCE, MOST_FRAMES = 512, 128
"""A sequence longer than the first, and every waveform, is read in at most so many frames."""


class SeriesTrunk(ConvolutionTrunk):
    """Convolutions that halve the number of places, then one fully connected layer; all with SiLU.

    The first one cuts a waveform, or a long sequence, into at most 128 overlapping frames.

    Args:
        modality: A waveform or a sequence of known kind.
        width: Number of features.
    """

    def __init__(self, modality: Modality, width: int) -> None:
        super().__init__()
        self.feature_dim = width
        self.centre, self.arranged = Centred(modality), Arrangement(modality)
        inputs, places = self.arranged.grid
        step = frame_step(modality)
        kernel = 3 if step == 1 else 2 * step - 1
        self.convolutions = nn.Sequential(nn.Conv1d(inputs, CHANNELS, kernel, step, (kernel - 1) // 2), nn.SiLU())
        places = math.ceil(places / step)
        while places > FEWEST_PLACES:
            self.convolutions.extend([nn.Conv1d(CHANNELS, CHANNELS, 3, 2, 1), nn.SiLU()])
            places = math.ceil(places / 2)
        self.layers = layers(CHANNELS * places, (width,))

    def prepare(self, value: Tensor) -> Tensor:
        """Values (B, C, N) around 0, from raw ones."""
        return self.arranged(self.centre(value))


class SeriesDecoder(ScaledDecoder):
    """Latent through fully connected layers to a few places, then transposed convolutions up to all of them.

    Decoded units are (C, N).

    Args:
        modality: A waveform or a sequence of known kind.
        latent_dim: Size of the latent.
        width: Width of the first layer.
    """

    def __init__(self, modality: Modality, latent_dim: int, width: int) -> None:
        super().__init__(modality, UnitInterval(modality, clamped=True), "gaussian")
        self.arranged = Arrangement(modality)
        outputs, places = self.shape = self.arranged.grid
        step = frame_step(modality)
        doublings = max(0, math.ceil(math.log2(math.ceil(places / step) / FEWEST_PLACES)))
        self.start = (CHANNELS, math.ceil(places / step / 2**doublings))
        self.layers = layers(latent_dim, (width, math.prod(self.start)))
        self.convolutions = nn.Sequential()
        for _ in range(doublings):
            self.convolutions.extend([nn.ConvTranspose1d(CHANNELS, CHANNELS, 4, 2, 1), nn.SiLU()])
        padding = max(1, step // 2)
        self.convolutions.append(nn.ConvTranspose1d(CHANNELS, outputs, step + 2 * padding, step, padding))

    def logits(self, latent: Tensor) -> Tensor:
        """Logits (B, C, N); what reaches over the end is cut off."""
        values: Tensor = self.convolutions(self.layers(latent).view(-1, *self.start))
        return values[..., : self.shape[1]].contiguous()

    def target(self, value: Tensor) -> Tensor:
        """Raw values in [0, 1], (B, C, N)."""
        return self.arranged(self.scale(value))

    def raw(self, mean: Tensor) -> Tensor:
        """Decoded units in raw ones, in the shape of the modality."""
        return super().raw(self.arranged.inverse(mean))


def frame_step(modality: Modality) -> int:
    """Stride of the first convolution."""
    places = modality.grid_shape[1]
    short = str(modality.kind).startswith("sequence") and places <= LONGEST_SEQUENCE
    return 1 if short else math.ceil(places / MOST_FRAMES)

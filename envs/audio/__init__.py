"""Sound as audio: tones that become waveforms, spectrograms of them, clips with picture and sound."""

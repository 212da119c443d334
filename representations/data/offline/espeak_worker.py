"""Speaks words with eSpeak NG; run as a program, so that a fresh library makes the same waves in the same order.

Reads JSON from stdin: {"library", "data", "utterances": [[word, voice, pitch, range, rate], ...]}. Writes to stdout,
for each utterance, the number of its samples (little-endian uint32) and the samples (little-endian int16, 22.05 kHz).
Imports nothing of this package: it starts in a tenth of a second.
"""

import ctypes
import json
import struct
import sys

SYNCHRONOUS = 2
RATE, PITCH, RANGE = 1, 3, 4
SPOKEN_RATE = 22_050
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def main() -> None:
    """Speak everything that stdin asks for."""
    request = json.load(sys.stdin)
    library = ctypes.CDLL(request["library"])
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, str(request["data"]).encode(), 0)
    if rate != SPOKEN_RATE:
        sys.exit(f"eSpeak NG did not start: it reports a sample rate of {rate} instead of {SPOKEN_RATE} Hz.")
    pieces: list[bytes] = []

    def keep(samples: "ctypes._Pointer[ctypes.c_short]", count: int, events: int | None) -> int:
        if count > 0:
            pieces.append(ctypes.string_at(samples, 2 * count))
        return 0

    callback = _CALLBACK(keep)  # must stay referenced as long as the library may call it
    library.espeak_SetSynthCallback(callback)
    for number, (word, voice, pitch, pitch_range, speed) in enumerate(request["utterances"]):
        pieces.clear()
        if library.espeak_SetVoiceByName(voice.encode()):
            sys.exit(f"eSpeak NG has no voice {voice!r}.")
        library.espeak_ng_SetRandSeed(ctypes.c_long(number + 1))
        for parameter, value in ((PITCH, pitch), (RANGE, pitch_range), (RATE, speed)):
            library.espeak_SetParameter(parameter, value, 0)
        text = ctypes.create_string_buffer(word.encode())
        if library.espeak_Synth(text, ctypes.c_size_t(len(text)), 0, 1, 0, 1, None, None):
            sys.exit(f"eSpeak NG could not say {word!r} with voice {voice!r}.")
        wave = b"".join(pieces)
        sys.stdout.buffer.write(struct.pack("<I", len(wave) // 2) + wave)


if __name__ == "__main__":
    main()

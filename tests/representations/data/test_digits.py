"""Real digits from small excerpts written here: matching, parts that share nothing, spectrograms, damaged files."""

import gzip
import shutil
import struct

import librosa
import numpy as np
import pytest
import torch

from anysense.representations.data.readers.digit_sources import read_images, read_pen_digits, read_recordings
from anysense.representations.data.readers.digits import TEST_SPEAKERS, load_digits, resampled, spoken_levels
from anysense.representations.data.readers.mhd import MHD_MODALITIES
from tests.digit_files import write_digits, write_idx, write_wav


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("digits")
    write_digits(path)
    return path


@pytest.fixture
def damaged(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "digits")


def rows(values: torch.Tensor) -> set[bytes]:
    return {row.numpy().tobytes() for row in values}


def test_parts_share_no_image_no_recording_and_no_stroke(folder):
    splits = load_digits(folder, 200, 60)
    parts = (splits.train, splits.validation, splits.test)
    assert [len(part) for part in parts] == [180, 20, 60]
    for name, modality in MHD_MODALITIES.items():
        if name != "label":
            found = [rows(part.values[name]) for part in parts]
            assert not found[0] & found[1] | found[0] & found[2] | found[1] & found[2], name
        for part in parts:
            assert tuple(part.values[name].shape[1:]) == modality.shape
            assert 0 <= float(part.values[name].min()) <= float(part.values[name].max()) <= 1
    images = [len(rows(part.values["image"])) for part in parts]
    assert images == [40, 10, 10], "each digit's images are used, all of them, before one is used again"


def test_what_belongs_together_has_the_digit_in_common(folder):
    splits = load_digits(folder, 200, 60)
    for part in (splits.train, splits.validation, splits.test):
        assert torch.bincount(part.targets, minlength=10).tolist() == [len(part) // 10] * 10
        assert torch.equal((part.values["image"][:, 0, 0, 0] * 255).round().long(), part.targets)
        assert torch.equal((part.values["trajectory"][:, 0] * 10).round().long(), part.targets)
        assert torch.equal(part.values["label"].argmax(dim=1), part.targets)
        loudest = part.values["sound"][:, 0].mean(dim=1).argmax(dim=1).numpy()
        centres = librosa.mel_frequencies(130, fmax=4000)[1:-1][loudest]
        np.testing.assert_allclose(centres, 300 + 300 * part.targets.numpy() + 44, atol=80)


def test_held_out_speakers_and_takes(folder):
    def heard(pick):
        recordings = read_recordings(folder)
        chosen = [index for index in range(len(recordings.waves)) if pick(recordings, index)]
        return rows(spoken_levels([recordings.waves[index] for index in chosen]))

    takes = heard(lambda all_of_them, index: all_of_them.takes[index] < 5)
    assert rows(load_digits(folder, 500, 600).test.values["sound"]) == takes
    speakers = heard(lambda all_of_them, index: all_of_them.speakers[index] in TEST_SPEAKERS)
    assert rows(load_digits(folder, 500, 600, held_out="speakers").test.values["sound"]) == speakers


def test_the_seed_decides(folder):
    same, again, other = (load_digits(folder, 100, 20, seed) for seed in (3, 3, 4))
    assert same.train.fingerprint() == again.train.fingerprint() != other.train.fingerprint()


@pytest.mark.parametrize("length", [250, 3333, 8000, 13_000])
def test_spectrogram_equals_that_of_librosa(length):
    sound = np.random.default_rng(length).normal(size=length).astype(np.float32) * np.hanning(length).astype(np.float32)
    second = sound
    if length > 8000:
        seconds = np.lib.stride_tricks.sliding_window_view(sound.astype(float), 8000)
        second = seconds[(seconds**2).sum(axis=1).argmax()].astype(np.float32)
    before = (8000 - len(second)) // 2
    second = np.pad(second, (before, 8000 - len(second) - before))
    power = librosa.feature.melspectrogram(
        y=second, sr=8000, n_fft=1024, hop_length=256, n_mels=128, pad_mode="constant"
    )
    expected = 1 + librosa.power_to_db(power, ref=np.max, top_db=80, amin=1e-10) / 80
    np.testing.assert_allclose(spoken_levels([sound])[0, 0].numpy(), expected.T, atol=2e-4)


def test_strokes_are_resampled_at_equal_distances():
    corner = np.float32([[0, 0], [0.5, 0.0], [0.5, 0.0], [0.5, 0.5]])  # a repeated point changes nothing
    found = resampled(corner[None], 5)[0].reshape(2, 5).T
    torch.testing.assert_close(found, torch.tensor([[0, 0], [0.25, 0], [0.5, 0], [0.5, 0.25], [0.5, 0.5]]))
    points = np.random.default_rng(0).random((3, 8, 2)).astype(np.float32)
    fine = resampled(points, 4001).reshape(3, 2, 4001)
    steps = fine.diff(dim=2).norm(dim=1)
    torch.testing.assert_close(steps.median(dim=1).values, steps.max(dim=1).values, rtol=0.02, atol=0)
    torch.testing.assert_close(fine[:, :, [0, -1]].transpose(1, 2), torch.from_numpy(points[:, [0, -1]]))


class TestDamaged:
    @pytest.mark.parametrize("name", ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz", "pendigits.tes"])
    def test_missing(self, damaged, name):
        (damaged / name).unlink()
        advice = f"`anysense data digits --folder {damaged}` fetches .*; the data set mhd-offline needs no download"
        with pytest.raises(FileNotFoundError, match=f"{name}` does not exist. {advice}"):
            load_digits(damaged, 100, 20)

    def test_no_recordings(self, damaged):
        shutil.rmtree(damaged / "recordings")
        with pytest.raises(FileNotFoundError, match=r"must hold recordings such as .*; found none"):
            load_digits(damaged, 100, 20)

    @pytest.mark.parametrize("change", [lambda it: it[:-9], gzip.compress, lambda it: b"", lambda it: b"PK" + it])
    def test_images(self, damaged, change):
        path = damaged / "t10k-images-idx3-ubyte.gz"
        path.write_bytes(change(path.read_bytes()))
        with pytest.raises(ValueError, match=r"t10k-images-idx3-ubyte.gz` .*damaged"):
            read_images(damaged)

    def test_claims_are_not_believed(self, damaged):
        header = bytes((0, 0, 8, 3)) + struct.pack(">3I", 2**31, 2**31, 28)
        (damaged / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(header))
        with pytest.raises(ValueError, match="must be an idx file of bytes with 3 axes"):
            read_images(damaged)
        (damaged / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(70 << 20)))
        with pytest.raises(ValueError, match="must be an idx file of bytes with 3 axes"):
            read_images(damaged)

    def test_labels_that_do_not_belong_to_the_images(self, damaged):
        write_idx(damaged / "t10k-labels-idx1-ubyte.gz", np.arange(7))
        with pytest.raises(ValueError, match="a label from 0 to 9 for each of the 60 images; got 7 labels up to 6"):
            read_images(damaged)

    @pytest.mark.parametrize(
        ("samples", "form", "message"),
        [
            (np.zeros(900), {}, "is silent"),
            (np.ones(200), {}, "must last at least a frame, 250 samples; got 200"),
            (np.ones(0), {}, "must last at least a frame, 250 samples; got 0"),
            (np.ones(900), {"rate": 16_000}, "must have 8000 Hz, 1 channel, 16 bits; got 16000 Hz"),
            (np.ones(900), {"channels": 2}, "got 8000 Hz, 2 channels, 16 bits"),
            (np.ones(600_000), {}, "must be at most 1 MB"),
        ],
    )
    def test_recording(self, damaged, samples, form, message):
        write_wav(damaged / "recordings" / "3_anna_0.wav", samples, **form)
        with pytest.raises(ValueError, match=f"3_anna_0.wav` {message}|3_anna_0.wav` .*{message}"):
            read_recordings(damaged)

    @pytest.mark.parametrize("content", [b"", b"RIFF", b"RIFF\0\0\0\0WAVEfmt ", b"x" * 100])
    def test_no_wav(self, damaged, content):
        (damaged / "recordings" / "3_anna_0.wav").write_bytes(content)
        with pytest.raises(ValueError, match=r"3_anna_0.wav` is no WAV file, or is damaged: \w"):
            read_recordings(damaged)

    def test_a_recording_that_is_cut_off(self, damaged):
        path = damaged / "recordings" / "3_anna_0.wav"
        path.write_bytes(path.read_bytes()[:1_245])
        with pytest.raises(ValueError, match=r"3_anna_0.wav` is cut off: it holds 600 of 2000 samples"):
            read_recordings(damaged)

    def test_other_files_are_passed_over(self, damaged):
        (damaged / "recordings" / "README.wav").write_bytes(b"x")
        assert len(read_recordings(damaged).waves) == 150

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("1,2,3", "must hold 17 whole numbers per line"),
            (",".join(["7"] * 16 + ["3"]), "line 61: the stroke is a single point"),
            (",".join(["7"] * 15 + ["101", "3"]), "must hold coordinates from 0 to 100; got 0 to 101"),
            (",".join(["7"] * 15 + ["8", "10"]), "must end each line with a digit; got 0 to 10"),
            (",".join(["7.5"] * 17), "must hold 17 whole numbers per line"),
            (",".join(["9" * 30] * 17), "must hold 17 whole numbers per line"),
            ("é" * 17, "must hold 17 whole numbers per line"),
        ],
    )
    def test_strokes(self, damaged, line, message):
        with (damaged / "pendigits.tra").open("a") as file:
            file.write(line + "\n")
        with pytest.raises(ValueError, match=f"pendigits.tra`.*{message}"):
            read_pen_digits(damaged, "train")

    def test_no_strokes(self, damaged):
        (damaged / "pendigits.tra").write_text("")
        with pytest.raises(ValueError, match="must hold 17 whole numbers per line: it is empty"):
            read_pen_digits(damaged, "train")

    def test_a_part_without_some_digit(self, damaged):
        for path in (damaged / "recordings").glob("4_*_[01].wav"):
            path.unlink()
        with pytest.raises(ValueError, match="`folder` leaves no sound of the digits 4 for the part 'test'"):
            load_digits(damaged, 100, 20)

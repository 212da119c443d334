import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anysense.representations.data.readers import mhd_download
from anysense.representations.data.readers.mhd import MHD_MODALITIES, load_mhd, waveforms
from anysense.representations.data.readers.mhd_download import MHD_DRIVE_IDS, download_mhd
from anysense.representations.data.readers.spectrogram import decibels_to_waveforms, mel_decibels

FIELDS = ("label", "image", "trajectory", "sound", "trajectory normalisation", "sound normalisation")


def published(count=12, blocks=4, seed=0):
    """The content of a file in the published format."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "label": torch.arange(count) % 10,
        "image": torch.rand(count, 1, 28, 28, generator=generator),
        "trajectory": torch.rand(count, 200, generator=generator),
        "sound": torch.rand(count, blocks, 128 // blocks, 32, generator=generator),
        "trajectory normalisation": {"min": -1.5, "max": 1.5},
        "sound normalisation": {"min": np.float32(-80.0), "max": np.float64(20.0)},
    }


def write(folder, train=None, test=None):
    folder.mkdir(exist_ok=True)
    for name, content in (("mhd_train.pt", train or published()), ("mhd_test.pt", test or published(10, seed=1))):
        torch.save(tuple(content.values()), folder / name)
    return folder


def test_published_files_are_read(tmp_path):
    stored = published()
    train, test = load_mhd(write(tmp_path, stored))
    assert (len(train), len(test)) == (12, 10)
    assert train.modalities == MHD_MODALITIES
    assert train.modalities_recorded() == ("image", "sound", "trajectory", "label")
    for name, modality in MHD_MODALITIES.items():
        assert train.values[name].shape == (12, *modality.shape)
        assert train.values[name].dtype == torch.float32
    assert torch.equal(train.targets, stored["label"])
    assert torch.equal(train.values["label"].argmax(dim=1), stored["label"])
    assert bool((train.values["label"].sum(dim=1) == 1).all())
    assert torch.equal(train.values["image"], stored["image"])
    assert torch.equal(train.values["trajectory"], stored["trajectory"])
    assert train.details["normalisation"] == {
        "trajectory": {"min": -1.5, "max": 1.5},
        "sound": {"min": -80.0, "max": 20.0},
    }


@pytest.mark.parametrize("blocks", [1, 2, 4, 8, 128])
def test_every_stored_shape_of_the_sound_gives_time_by_band(blocks, tmp_path):
    stored = published(blocks=blocks)
    train, _ = load_mhd(write(tmp_path, stored))
    for item, sound in zip(stored["sound"], train.values["sound"], strict=True):
        assert torch.equal(sound, torch.cat(list(item), dim=0)[None].transpose(1, 2))
    assert train.values["sound"].is_contiguous()


def test_numbers_may_be_tensors_or_numpy_of_either_age(tmp_path):
    stored = published()
    stored["sound normalisation"] = {"min": torch.tensor(-3.0), "max": np.int64(4)}
    train, _ = load_mhd(write(tmp_path, stored))
    assert train.details["normalisation"]["sound"] == {"min": -3.0, "max": 4.0}
    old = (tmp_path / "mhd_train.pt").read_bytes()
    assert b"numpy._core.multiarray" in old


def changed(name, value):
    def change(content):
        content[name] = value(content[name]) if callable(value) else value

    return change


def with_nan(value):
    value[3] = math.nan
    return value


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (changed("label", lambda v: v.float()), TypeError, "label must be a tensor of int64; got float32"),
        (changed("label", lambda v: v + 1), ValueError, "lie in 0 to 9; got shape .* and .*10"),
        (
            changed("label", lambda v: v[:, None]),
            ValueError,
            r"label must have shape \(N,\) with N >= 1 .*; got shape \(12, 1\)",
        ),
        (changed("label", lambda v: v[:0]), ValueError, "N >= 1"),
        (
            changed("image", lambda v: v.double()),
            TypeError,
            "image must be a tensor of float32; got float64",
        ),
        (changed("image", [1, 2]), TypeError, "image must be a tensor of float32; got list"),
        (
            changed("image", lambda v: v[:-1]),
            ValueError,
            r"image must have as many rows as labels, 12; got shape \(11, 1",
        ),
        (changed("image", lambda v: v * 255), ValueError, "image must be scaled to 0 to 1; got"),
        (changed("image", with_nan), ValueError, r"image'\]` has NaN or infinity in 1 samples, the first at \[3\]"),
        (
            changed("trajectory", lambda v: v[:, :100]),
            ValueError,
            r"trajectory'\]` must have shape .*200.* got \(12, 100\)",
        ),
        (changed("trajectory", lambda v: v * 3), ValueError, "trajectory must be scaled to 0 to 1"),
        (changed("sound", with_nan), ValueError, r"sound'\]` has NaN"),
        (changed("sound", lambda v: v - 1), ValueError, "sound must be scaled"),
        (changed("sound", torch.zeros(12, 3, 32, 32)), ValueError, r"K \* A = 128.*got \(12, 3, 32, 32\)"),
        (
            changed("sound", torch.zeros(11, 4, 32, 32)),
            ValueError,
            r"as many rows as labels, 12; got shape \(11, 4, 32, 32\)",
        ),
        (changed("sound normalisation", 3), ValueError, "sound normalisation must be a dictionary .* got int"),
        (changed("sound normalisation", {"min": 1}), ValueError, r"`min` and `max`; got \['min'\]"),
        (
            changed("trajectory normalisation", {"min": 2, "max": 1}),
            ValueError,
            "min < max; got {'min': 2.0, 'max': 1.0}",
        ),
        (changed("trajectory normalisation", {"min": "a", "max": 1}), TypeError, "`min`, must be a number; got str"),
        (changed("trajectory normalisation", {"min": [1], "max": 1}), TypeError, "`min`, must be a number; got list"),
        (changed("sound normalisation", {"min": 0, "max": 10**400}), TypeError, "`max`, must be a number; got int"),
        (changed("image", lambda v: v.bfloat16()), ValueError, r"a tensor of torch.BFloat16Storage; expected float16"),
        (changed("image", lambda v: v.to(torch.float8_e5m2)), ValueError, r"a tensor of torch.float8_e5m2; expected"),
        (changed("image", lambda v: v.half()), TypeError, "image must be a tensor of float32; got float16"),
        (lambda content: content.pop("label"), ValueError, "must hold 6 fields .*; got 5 fields"),
    ],
)
def test_wrong_fields(change, error, message, tmp_path):
    content = published()
    change(content)
    with pytest.raises(error, match=message) as caught:
        load_mhd(write(tmp_path, content))
    assert "mhd_train.pt" in str(caught.value)


def test_test_files_scaled_with_the_training_range_are_accepted(tmp_path):
    content = published()
    content["sound"] = content["sound"] * 1.1 - 0.05
    train, _ = load_mhd(write(tmp_path, content))
    assert float(train.values["sound"].min()) < 0
    assert float(train.values["sound"].max()) > 1


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"mhd_train.pt` does not exist.*anysense data mhd.*mhd-offline"):
        load_mhd(tmp_path)


@pytest.mark.parametrize("content", [b"", b"<html>Quota exceeded</html>", b"cut"])
def test_damaged_file(content, tmp_path):
    path = write(tmp_path) / "mhd_test.pt"
    path.write_bytes(path.read_bytes()[:2000] if content == b"cut" else content)
    with pytest.raises(ValueError, match=r"mhd_test\.pt` must be a file of torch.save .* Remove it and run `anysense"):
        load_mhd(tmp_path)


class Harmful:
    def __reduce__(self):
        return (print, ("executed",))


def test_code_in_a_file_is_not_run(tmp_path, capsys):
    write(tmp_path)
    torch.save((Harmful(),) * 6, tmp_path / "mhd_train.pt")
    with pytest.raises(ValueError, match=r"holds a call of `__builtin__.print`. Nothing of it was run"):
        load_mhd(tmp_path)
    assert "executed" not in capsys.readouterr().out


def test_other_content(tmp_path):
    write(tmp_path)
    torch.save({"a": 1}, tmp_path / "mhd_train.pt")
    with pytest.raises(ValueError, match=r"must hold 6 fields .*; got dict"):
        load_mhd(tmp_path)


# Download


def fake_gdown(monkeypatch, files):
    """A gdown whose downloads are `files` by Drive id: bytes, or an error to raise."""
    asked = []

    def download(id, output, quiet, use_cookies, timeout, progress):
        asked.append(id)
        if isinstance(files[id], Exception):
            raise files[id]
        output.write(files[id])
        output.flush()
        progress(len(files[id]), None)

    monkeypatch.setitem(sys.modules, "gdown", SimpleNamespace(download=download))
    return asked


@pytest.fixture
def drive(tmp_path):
    source = write(tmp_path / "source")
    return {MHD_DRIVE_IDS[part]: (source / f"mhd_{part}.pt").read_bytes() for part in ("train", "test")}


def test_download_checks_and_keeps_both_files(drive, tmp_path, monkeypatch):
    asked = fake_gdown(monkeypatch, drive)
    folder = tmp_path / "new" / "mhd"
    assert download_mhd(folder) == {"train": 12, "test": 10}
    assert sorted(path.name for path in folder.iterdir()) == ["mhd_test.pt", "mhd_train.pt"]
    assert download_mhd(folder) == {"train": 12, "test": 10}
    assert len(asked) == 2


@pytest.mark.parametrize("came", [OSError("no connection"), b"<html>Too many users</html>"])
def test_failed_download_says_what_to_do_and_leaves_no_file(came, drive, tmp_path, monkeypatch):
    fake_gdown(monkeypatch, drive | {MHD_DRIVE_IDS["test"]: came})
    with pytest.raises(ConnectionError, match=r"`mhd_test.pt` could not be downloaded: .*") as caught:
        download_mhd(tmp_path / "mhd")
    assert f"https://drive.google.com/file/d/{MHD_DRIVE_IDS['test']}/view" in str(caught.value)
    assert str(tmp_path / "mhd" / "mhd_test.pt") in str(caught.value)
    assert [path.name for path in (tmp_path / "mhd").iterdir()] == ["mhd_train.pt"]


def test_interrupted_download_leaves_no_file(drive, tmp_path, monkeypatch):
    def download(id, output, **options):
        output.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "gdown", SimpleNamespace(download=download))
    with pytest.raises(KeyboardInterrupt):
        download_mhd(tmp_path / "mhd")
    assert not list((tmp_path / "mhd").iterdir())


def test_without_gdown_the_error_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gdown", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'anysense\[data\]'.*By hand: open https"):
        mhd_download.download_mhd(tmp_path)


# Sound


def mel_by_loop(wave):
    """Power of each mel band and frame in dB, frame by frame, from the definition."""
    import librosa.filters

    filters = librosa.filters.mel(sr=16_000, n_fft=2048, n_mels=128)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)
    padded = np.pad(wave, 1024)
    frames = [padded[512 * frame : 512 * frame + 2048] * window for frame in range(32)]
    return np.stack([10 * np.log10(np.maximum(filters @ np.abs(np.fft.rfft(frame)) ** 2, 1e-10)) for frame in frames])


def test_spectrograms_are_the_same_whatever_a_program_has_set_in_torch():
    tone = torch.from_numpy(np.sin(np.arange(16_000, dtype="f4") / 3)[None])
    expected = mel_decibels(tone)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            assert torch.equal(mel_decibels(tone), expected)
    finally:
        torch.set_default_dtype(torch.float32)


def test_mel_decibels_equal_a_plain_loop():
    waves = np.random.default_rng(0).normal(0, 0.3, (3, 16_000)).astype(np.float32)
    levels = mel_decibels(torch.from_numpy(waves))
    assert levels.shape == (3, 32, 128)
    expected = np.stack([mel_by_loop(wave) for wave in waves.astype(np.float64)])
    torch.testing.assert_close(levels.double(), torch.from_numpy(expected), rtol=0, atol=1e-3)


def test_silence_has_the_lowest_level():
    assert bool((mel_decibels(torch.zeros(1, 16_000)) == -100).all())


@settings(deadline=None, max_examples=10)
@given(frequency=st.integers(300, 3000))
def test_rebuilt_tone_has_its_frequency(frequency):
    tone = torch.sin(2 * math.pi * frequency * torch.arange(16_000) / 16_000)[None]
    rebuilt = decibels_to_waveforms(mel_decibels(tone), iterations=4)
    assert rebuilt.shape == (1, 16_000)
    assert float(rebuilt.abs().max()) == pytest.approx(0.95)
    heard = int(torch.fft.rfft(rebuilt[0]).abs().argmax())
    assert abs(heard - frequency) <= 0.05 * frequency + 10


def test_rebuilt_waveforms_have_nearly_the_same_spectrogram():
    time = torch.arange(16_000) / 16_000
    sweep = torch.sin(2 * math.pi * (300 + 600 * time) * time) * (1 + torch.sin(8 * time)) / 2
    levels = mel_decibels(sweep[None]).clamp(min=-20)
    again = mel_decibels(decibels_to_waveforms(levels)).clamp(min=-20)
    both = torch.stack([levels.flatten(), again.flatten()])
    assert float(torch.corrcoef(both)[0, 1]) > 0.97


def test_waveforms_use_the_stored_range(tmp_path):
    train, _ = load_mhd(write(tmp_path))
    made = waveforms(train, [2, 0])
    levels = train.values["sound"][[2, 0], 0] * 100 - 80
    assert torch.equal(made, decibels_to_waveforms(levels))


def test_waveforms_without_a_range(tmp_path):
    train, _ = load_mhd(write(tmp_path))
    object.__setattr__(train, "details", {})
    with pytest.raises(ValueError, match=r"details\['normalisation'\]\['sound'\]"):
        waveforms(train, [0])


def test_wrong_shapes_of_sounds():
    with pytest.raises(ValueError, match=r"`waveforms` must have shape \(B, 16000\); got \(2, 100\)"):
        mel_decibels(torch.zeros(2, 100))
    with pytest.raises(ValueError, match=r"`levels` must have shape \(B, 32, 128\)"):
        decibels_to_waveforms(torch.zeros(2, 128, 32))
    with pytest.raises(ValueError, match="`levels` must be finite"):
        decibels_to_waveforms(torch.full((1, 32, 128), math.nan))

import errno
import json
import struct
import sys
from itertools import pairwise
from pathlib import Path

import espeakng_loader
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anysense.common.cache import cache_folder
from anysense.representations.data.offline import build, load_mhd_offline, store
from anysense.representations.data.offline.digits import draw_digits, handwritten_digits
from anysense.representations.data.offline.speech import VOICE_FAMILIES, record_digits
from anysense.representations.data.offline.strokes import FORMS, Writers, write_digits
from anysense.representations.data.readers.mhd import MHD_MODALITIES, waveforms


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("offline")


@pytest.fixture(scope="module")
def made(folder):
    seen = []
    parts = load_mhd_offline(200, 60, folder=folder, progress=lambda done, total: seen.append((done, total)))
    return parts, seen


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    return folder, load_mhd_offline(20, 10, folder=folder)


def same(one, other):
    return all(torch.equal(one.values[name], other.values[name]) for name in one.values)


def test_looks_like_mhd(made):
    for samples, size in zip(made[0], (200, 60), strict=True):
        assert len(samples) == size
        assert samples.modalities == MHD_MODALITIES
        for name, modality in MHD_MODALITIES.items():
            value = samples.values[name]
            assert value.shape == (size, *modality.shape)
            assert value.dtype == torch.float32
            assert float(value.min()) >= 0
            assert float(value.max()) <= 1
        assert samples.targets.dtype == torch.int64
        assert torch.equal(samples.values["label"].argmax(dim=1), samples.targets)
        assert torch.equal(samples.targets.bincount(), torch.full((10,), size // 10))


def test_scaled_modalities_of_the_training_samples_fill_the_range(made):
    for name in ("sound", "trajectory"):
        assert made[0][0].values[name].aminmax() == (0, 1)


def test_progress_ends_at_the_whole(made):
    _, seen = made
    assert seen[-1] == (780, 780)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_parts_share_no_source(made):
    train, test = (samples.details for samples in made[0])
    _, labels = handwritten_digits()
    images = [set(details["source_images"]) for details in (train, test)]
    assert not images[0] & images[1]
    assert len(images[0] | images[1]) == 1797
    assert set(labels[sorted(images[1])]) == set(range(10))
    family = {name: index for index, names in enumerate(VOICE_FAMILIES) for name in names}
    speakers = [{family[name] for name in details["speakers"]} for details in (train, test)]
    assert not speakers[0] & speakers[1]
    assert len(speakers[0] | speakers[1]) == len(VOICE_FAMILIES)
    assert (train["writers"], test["writers"]) == (400, 100)


def test_no_image_of_a_part_comes_from_the_other(made, monkeypatch):
    used = []
    monkeypatch.setattr(
        build, "draw_digits", lambda ink, chosen, *rest: used.append(chosen) or draw_digits(ink, chosen, *rest)
    )
    build._make(20, 10, 0, lambda done, total: None)
    for chosen, samples in zip(used, made[0], strict=True):
        assert set(chosen) <= set(samples.details["source_images"])


def test_each_modality_tells_the_class(made):
    train, test = made[0]
    for name in ("image", "sound", "trajectory"):
        means = torch.stack([train.values[name][train.targets == label].flatten(1).mean(dim=0) for label in range(10)])
        found = torch.cdist(test.values[name].flatten(1), means).argmin(dim=1)
        assert float((found == test.targets).float().mean()) > 0.25


def test_same_seed_same_samples(small, tmp_path):
    again = load_mhd_offline(20, 10, folder=tmp_path)
    assert all(same(one, other) for one, other in zip(small[1], again, strict=True))
    other, _ = load_mhd_offline(20, 10, seed=1, folder=tmp_path)
    assert not any(torch.equal(other.values[name], again[0].values[name]) for name in ("image", "sound", "trajectory"))


def test_second_use_reads_the_cache(made, folder, monkeypatch):
    monkeypatch.setattr(build, "_make", None)
    again = load_mhd_offline(200, 60, folder=folder)
    for one, other in zip(made[0], again, strict=True):
        assert same(one, other)
        assert one.details == other.details


def altered(content, checksum=None, **details):
    """The content of a cache that says something else of the training samples."""
    (size,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + size])
    about = json.loads(header["__metadata__"]["about"])
    about["details"]["train"] |= details
    about["checksum"] = about["checksum"] if checksum is None else checksum
    header["__metadata__"]["about"] = json.dumps(about)
    encoded = json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + content[8 + size :]


DAMAGES = {
    "cut": lambda content: content[:5000],
    "altered": lambda content: content[:-1000] + bytes([content[-1000] ^ 255]) + content[-999:],
    "other": lambda content: b"x" * 100,
    "empty": lambda content: b"",
    "details": lambda content: altered(content, writers=5),
    "types": lambda content: altered(content, 0, writers="many"),
    "shapes": lambda content: content.replace(b"1,28,28", b"1,784,1", 1),
    "nested": lambda content: altered(content, writers=json.loads("[" * 500 + "]" * 500)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_cache_is_made_anew(damage, small, tmp_path, monkeypatch):
    folder, parts = small
    name = store.file_name(20, 10, 0)
    (tmp_path / name).write_bytes(DAMAGES[damage]((folder / name).read_bytes()))
    with monkeypatch.context() as patch:
        if damage == "types":
            patch.setattr(store, "_checksum", lambda kept: 0)
        assert store.read(tmp_path / name) is None
    again, _ = load_mhd_offline(20, 10, folder=tmp_path)
    assert same(parts[0], again)
    assert store.read(tmp_path / name) is not None


def test_default_folder_is_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("ANYSENSE_CACHE", str(tmp_path / "chosen"))
    load_mhd_offline(10, 10)
    assert [path.name for path in cache_folder().iterdir()] == [store.file_name(10, 10, 0)]


def test_a_disk_that_is_full_at_the_end_gives_a_warning(tmp_path, monkeypatch):
    def full(path, write):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store, "replace_file", full)
    with pytest.warns(RuntimeWarning, match=r"could not be kept in .*ANYSENSE_CACHE"):
        train, _ = load_mhd_offline(10, 10, folder=tmp_path)
    assert len(train) == 10


def test_a_folder_that_cannot_be_written_is_found_before_samples_are_made(tmp_path, monkeypatch, made):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(build, "_make", None)
    with pytest.raises(NotADirectoryError, match=r"Cannot write `.*file/folder` \(Not a directory\)"):
        load_mhd_offline(10, 10, folder=tmp_path / "file" / "folder")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train": 9}, "`train` must be a whole number of at least 10, got 9"),
        ({"test": 0}, "`test` must be a whole number of at least 10"),
        ({"seed": "x"}, "`seed` must be a whole number of at least 0, got 'x'"),
    ],
)
def test_bad_values(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load_mhd_offline(folder=tmp_path, **arguments)


def test_sounds_can_be_heard(made):
    heard = waveforms(made[0][0], [0, 1])
    assert heard.shape == (2, 16_000)
    assert bool(torch.isfinite(heard).all())


# Images


def test_pictures_follow_their_source():
    ink, _ = handwritten_digits()
    pictures = draw_digits(ink, np.full(300, 7), np.random.default_rng(0))
    middle = pictures.mean(dim=0)[0]
    plain = torch.nn.functional.interpolate(ink[7][None, None], size=(20, 20), mode="bicubic")[0, 0]
    plain = torch.nn.functional.pad(plain, (4, 4, 4, 4))
    assert float(torch.corrcoef(torch.stack([middle.flatten(), plain.flatten()]))[0, 1]) > 0.85
    assert len({picture.numpy().tobytes() for picture in pictures}) == 300


# Speech


def test_every_speaker_is_there_and_in_one_family():
    installed = {path.name for path in (Path(espeakng_loader.get_data_path()) / "voices" / "!v").iterdir()}
    names = [name for family in VOICE_FAMILIES for name in family]
    assert set(names) <= installed
    assert len(names) == len(set(names))


def test_recordings_are_one_second_and_reproducible():
    labels, speakers = np.arange(10), ["m1", "f2"]
    one, other = (np.concatenate(list(record_digits(labels, speakers, np.random.default_rng(3)))) for _ in range(2))
    assert one.shape == (10, 16_000)
    assert one.dtype == np.float32
    assert np.abs(one).max() <= 1
    np.testing.assert_array_equal(one, other)


def test_the_data_of_espeak_may_lie_below_a_long_path(monkeypatch, tmp_path):
    spoken = next(record_digits(np.arange(2), ["m1"], np.random.default_rng(0)))
    deep = tmp_path.joinpath(*["folder" * 9] * 4)
    deep.mkdir(parents=True)
    (deep / "espeak-ng-data").symlink_to(espeakng_loader.get_data_path())
    monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: str(deep / "espeak-ng-data"))
    again = next(record_digits(np.arange(2), ["m1"], np.random.default_rng(0)))
    np.testing.assert_array_equal(spoken, again)


def test_unknown_voice_is_an_error():
    with pytest.raises(RuntimeError, match=r"eSpeak NG lacks the speakers \['nobody'\] in .*pip install"):
        list(record_digits(np.arange(2), ["nobody"], np.random.default_rng(0)))


def test_without_espeak_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(ModuleNotFoundError, match=r"making spoken digits needs .*: pip install 'anysense\[speech\]'"):
        list(record_digits(np.arange(2), ["m1"], np.random.default_rng(0)))


def test_missing_library_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(espeakng_loader, "get_library_path", lambda: str(tmp_path / "nothing.so"))
    with pytest.raises(RuntimeError, match=r"eSpeak NG cannot speak on this machine: .*nothing\.so"):
        list(record_digits(np.arange(2), ["m1"], np.random.default_rng(0)))


# Strokes


def plain_hand():
    """A writer who writes the first form of each digit as it is."""
    return Writers(
        form=np.zeros((1, 10), dtype=np.int64),
        bend=np.zeros((1, 10, 4, 2)),
        slant=np.zeros(1),
        turn=np.zeros(1),
        width=np.ones(1),
        height=np.ones(1),
        speed=np.zeros((1, 2)),
    )


def test_writing_follows_the_form():
    labels = np.repeat(np.arange(10), 200)
    pens = write_digits(labels, np.zeros(2000, dtype=np.int64), plain_hand(), np.random.default_rng(0))
    assert pens.shape == (2000, 200)
    assert pens.dtype == torch.float32
    for label in range(10):
        mean = pens[labels == label].double().mean(dim=0).numpy().reshape(2, 100).T
        form = FORMS[label][0]
        np.testing.assert_allclose(mean[[0, -1]], form[[0, -1]], atol=0.08)
        nearest = np.linalg.norm(mean[:, None] - dense(form)[None], axis=2).min(axis=1)
        assert nearest.max() < 0.2


def dense(form):
    parts = [np.linspace(start, end, 50) for start, end in pairwise(form)]
    return np.concatenate(parts)


@given(seed=st.integers(0, 1000))
def test_pens_move_forward_without_jumps(seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(10)
    pens = write_digits(labels, rng.integers(5, size=10), Writers.random(5, rng), rng).numpy().reshape(10, 2, 100)
    assert np.isfinite(pens).all()
    assert np.abs(pens).max() < 3
    assert np.linalg.norm(np.diff(pens, axis=2), axis=1).max() < 0.5


def test_two_writers_write_differently():
    rng = np.random.default_rng(0)
    writers = Writers.random(2, rng)
    assert len(writers) == 2
    pens = [write_digits(np.full(50, 3), np.full(50, who), writers, rng) for who in (0, 1)]
    between = float((pens[0].mean(dim=0) - pens[1].mean(dim=0)).norm())
    within = float((pens[0] - pens[0].mean(dim=0)).norm(dim=1).mean())
    assert between > within

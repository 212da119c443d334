"""CMU-MOSEI and CMU-MOSI from every form in which they are passed around, and what is refused."""

import hashlib
import json
import pickle
import sys
import types

import numpy as np
import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from anysense.common import tensors
from anysense.representations.data.readers.sentiment import (
    SENTIMENT_MODALITIES,
    edition_note,
    load_sentiment,
)

SIZES = {"train": 5, "valid": 2, "test": 3}
FEATURES = {"mosei": {"text": 300, "audio": 74, "vision": 35}, "mosi": {"text": 300, "audio": 5, "vision": 20}}


def arrays(name="mosei", seed=0, dtype=np.float64):
    """Splits as in the processed pickle."""
    rng = np.random.default_rng(seed)
    content = {}
    for split, count in SIZES.items():
        made = {key: rng.normal(size=(count, 50, size)).astype(dtype) for key, size in FEATURES[name].items()}
        for value in made.values():
            value[:, :20] = 0.0
        labels = rng.integers(-9, 10, (count, 1, 1)) / 3.0
        content[split] = {**made, "labels": labels.astype(dtype), "id": np.array([[b"v", b"0", b"1"]] * count)}
    return content


def write_pickle(folder, content, name="mosei_data.pkl", protocol=2):
    (folder / name).write_bytes(pickle.dumps(content, protocol))
    return folder


def expect(splits, content):
    for part, split in (("train", "train"), ("validation", "valid"), ("test", "test")):
        samples = getattr(splits, part)
        assert samples.targets.dtype == torch.float32
        np.testing.assert_array_equal(samples.targets, content[split]["labels"].reshape(-1).astype(np.float32))
        for key, value in samples.values.items():
            np.testing.assert_array_equal(value, content[split][key].astype(np.float32))


def test_modalities():
    for name, sizes in FEATURES.items():
        found = SENTIMENT_MODALITIES(name)
        assert {key: modality.shape for key, modality in found.items()} == {k: (50, n) for k, n in sizes.items()}
        assert {modality.dtype for modality in found.values()} == {"float32"}
    with pytest.raises(ValueError, match=r"`dataset` must be one of 'mosei', 'mosi'; got 'moesi'. Did you mean 'mo"):
        SENTIMENT_MODALITIES("moesi")


@pytest.mark.parametrize(
    ("name", "file", "protocol"),
    [("mosei", "mosei_data.pkl", 2), ("mosei", "mosei_senti_data.pkl", 4), ("mosi", "mosi_data.pkl", 5)],
)
def test_a_pickle_is_converted_once(tmp_path, name, file, protocol):
    content, said = arrays(name), []
    write_pickle(tmp_path, content, file, protocol)
    splits = load_sentiment(name, tmp_path, said.append)
    expect(splits, content)
    assert said[0].startswith(f"Converting `{file}` to")
    assert said[-1].startswith(f"{name}: 5/2/3 samples to train, validate and test on; an unknown edition")
    checksum = hashlib.sha256((tmp_path / file).read_bytes()).hexdigest()
    details = splits.test.details
    assert details["sources"] == {file: checksum}
    assert (details["data"], details["part"], details["edition"], details["synthetic"]) == (
        name,
        "test",
        "5/2/3",
        False,
    )
    (tmp_path / file).unlink()
    said.clear()
    again = load_sentiment(name, tmp_path, said.append)
    expect(again, content)
    assert again.train.details == splits.train.details
    assert len(said) == 1
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.safetensors"]


def write_caches(folder, monkeypatch, content, name="mosei", legacy=False, splits=tuple(SIZES)):
    module = types.ModuleType("old_repository_dataset")
    cls = type("Affectdataset", (), {"__module__": module.__name__})
    module.Affectdataset = cls
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, module.__name__, module)
        for split in splits:
            stored = cls()
            stored.__dict__.update({k: torch.tensor(v) for k, v in content[split].items() if k != "id"})
            stored.__dict__.update(meta=content[split]["id"], data=name, n_modalities=3)
            path = folder / f"{name}_{split}_a.dt"
            torch.save(stored, path, _use_new_zipfile_serialization=not legacy)


@pytest.mark.parametrize("legacy", [False, True])
def test_caches_are_read_without_their_class(tmp_path, monkeypatch, legacy):
    content = arrays("mosi", dtype=np.float32)
    write_caches(tmp_path, monkeypatch, content, "mosi", legacy)
    splits = load_sentiment("mosi", tmp_path)
    expect(splits, content)
    assert set(splits.train.details["sources"]) == {f"mosi_{split}_a.dt" for split in SIZES}


def test_missing_caches_are_named(tmp_path, monkeypatch):
    write_caches(tmp_path, monkeypatch, arrays(), splits=("train", "test"))
    with pytest.raises(FileNotFoundError, match=r"lacks \['mosei_valid_a.dt'\]; all three splits are needed"):
        load_sentiment("mosei", tmp_path)


def test_caches_hold_objects(tmp_path):
    for split in SIZES:
        torch.save([1, 2], tmp_path / f"mosei_{split}_a.dt")
    with pytest.raises(ValueError, match=r"split `train` must have .*\(it has list\)"):
        load_sentiment("mosei", tmp_path)


def test_without_files_it_says_what_can_be_had(tmp_path):
    (tmp_path / "mosei_senti_data_noalign.pkl").touch()
    with pytest.raises(FileNotFoundError) as caught:
        load_sentiment("mosei", tmp_path)
    message = str(caught.value)
    for part in ("mosei_senti_data.pkl", "mosei_valid_a.dt", "Multimodal-Transformer", "--url", "mosei-offline"):
        assert part in message
    assert "The unaligned ['mosei_senti_data_noalign.pkl'] cannot be used" in message
    with pytest.raises(FileNotFoundError, match=r"has no file of CMU-MOSI: expected `mosi.safetensors`"):
        load_sentiment("mosi", tmp_path / "nowhere")


def test_minus_infinity_in_audio_becomes_zero(tmp_path):
    content, said = arrays(), []
    content["test"]["audio"][1, 30:32, 4] = -np.inf
    splits = load_sentiment("mosei", write_pickle(tmp_path, content), said.append)
    assert splits.test.values["audio"][1, 30:32, 4].tolist() == [0.0, 0.0]
    assert splits.test.details["zeroed"] == {"train": 0, "validation": 0, "test": 2}
    assert "2 values of audio are -infinity and were set to 0, as published." in said


def change(split, key, make):
    def apply(content):
        content[split][key] = make(content[split][key])

    return apply


def put(value, *where):
    def make(array):
        array[where] = value
        return array

    return make


BROKEN = {
    "nan": (change("train", "audio", put(np.nan, 1, 40, 2)), r"got 1 x nan in 1 samples, the first at \[1\]"),
    "infinity": (change("valid", "audio", put(np.inf, 0, 40, 2)), r"`audio` of .*split `valid`.*1 x inf in 1"),
    "text": (change("test", "text", put(-np.inf, 2)), r"only -infinity in `audio` is known.*15000 x -inf in 1"),
    "too_large": (change("test", "vision", put(1e300, 2, 49, 0)), r"1 x inf in 1"),
    "labels_nan": (change("test", "labels", put(np.nan, 0)), r"`labels` of .* must be finite"),
    "range": (change("test", "labels", put(3.4, 2)), r"must lie in \[-3, 3\]; got 1 labels from .* to 3.4"),
    "bert": (
        change("train", "text", lambda a: np.zeros((5, 50, 768))),
        r"`text` of `mosei_data.pkl`, split `train` must have shape \(5, 50, 300\).*got \(5, 50, 768\).*BERT",
    ),
    "steps": (change("train", "audio", lambda a: a[:, :20]), r"must have shape \(5, 50, 74\).*got \(5, 20, 74\)"),
    "count": (change("valid", "vision", lambda a: a[:1]), r"must have shape \(2, 50, 35\), one entry per label"),
    "emotions": (change("train", "labels", lambda a: np.zeros((5, 1, 7))), r"must have shape \(N, 1, 1\).*\(5, 1, 7\)"),
    "no_samples": (change("train", "labels", lambda a: a[:0]), r"at least one sample; got \(0, 1, 1\)"),
    "words": (change("train", "text", lambda a: ["a"]), r"`text` of .* must be an array of numbers; got list"),
    "objects": (change("test", "audio", lambda a: a.astype("S1")), r"must be an array of numbers; got \|S1"),
    "split": (lambda content: content.pop("valid"), r"must have \['train', 'valid', 'test'\]; it lacks \['valid'\]"),
    "key": (lambda content: content["test"].pop("audio"), r"split `test` must have .*; it lacks \['audio'\]"),
    "keys": (lambda content: content.update(test={f"k{k:02}": k for k in range(50)}), r"'k18', 'k19'\] and more\)"),
    "video": (
        lambda content: content["test"].update(video=content["test"].pop("vision")),
        r"it lacks \['vision'\] \(it has \['audio', 'id', 'labels', 'text', 'video'\]\)",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_content_is_refused_and_nothing_is_left(tmp_path, case):
    breaking, says = BROKEN[case]
    content = arrays()
    breaking(content)
    write_pickle(tmp_path, content)
    with pytest.raises(ValueError, match=says):
        load_sentiment("mosei", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mosei_data.pkl"]


@pytest.mark.parametrize("content", [[1], {"train": 1, "valid": 2, "test": 3}])
def test_other_pickles_are_refused(tmp_path, content):
    with pytest.raises(ValueError, match=r"must have \['train', 'valid', 'test'\]|must have \['text'"):
        load_sentiment("mosei", write_pickle(tmp_path, content))


def test_hostile_and_cut_pickles_are_refused(tmp_path):
    class Hostile:
        def __reduce__(self):
            return print, ("run",)

    content = arrays()
    content["valid"]["id"] = Hostile()
    with pytest.raises(ValueError, match=r"holds the name `__builtin__.print`. Nothing of it was run"):
        load_sentiment("mosei", write_pickle(tmp_path, content))
    path = tmp_path / "mosei_data.pkl"
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(ValueError, match="cut off, damaged or something else"):
        load_sentiment("mosei", tmp_path)


def test_mosi_features_are_not_taken_for_mosei(tmp_path):
    with pytest.raises(ValueError, match=r"`audio` .* must have shape \(5, 50, 74\).*got \(5, 50, 5\)"):
        load_sentiment("mosei", write_pickle(tmp_path, arrays("mosi")))


def test_labels_a_rounding_error_beyond_the_end_are_clipped(tmp_path):
    content = arrays()
    content["train"]["labels"][0] = 3.00001
    assert load_sentiment("mosei", write_pickle(tmp_path, content)).train.targets.max() == 3.0


@pytest.mark.parametrize(
    ("name", "counts", "says"),
    [
        ("mosei", [16265, 1869, 4643], "the edition of the published tables."),
        ("mosi", [1284, 229, 686], "the edition of the published tables."),
        (
            "mosei",
            [15290, 2291, 4832],
            "an edition of the CMU SDK, which are on 16265/1869/4643: numbers do not compare.",
        ),
        ("mosei", [1, 2, 3], "an unknown edition: numbers do not compare with published ones, which are on 16265/1869"),
    ],
)
def test_editions(name, counts, says):
    assert edition_note(name, counts).startswith(says)


def rewritten(path, change_tensors=lambda tensors: None, **metadata):
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        about = {**file.metadata(), **metadata}
    change_tensors(tensors)
    save_file(tensors, path, about)


def test_damaged_neutral_files_are_refused(tmp_path):
    load_sentiment("mosei", write_pickle(tmp_path, arrays()))
    path = tmp_path / "mosei.safetensors"
    whole = path.read_bytes()
    cases = [
        (lambda: path.write_bytes(whole[:-5]), r"is damaged: .*\. Delete it, and it is made again"),
        (lambda: path.write_bytes(b""), "is damaged"),
        (lambda: rewritten(path, version="2"), r"must be \('anysense sentiment', '1', 'mosei'\).*'2'"),
        (lambda: rewritten(path, about=json.dumps({"data": "mosi"})), "'mosi'"),
        (lambda: rewritten(path, about="[" * 100_000), "is damaged: .*nested more than"),
        (lambda: rewritten(path, about='{"data": "mosei", "sources": {"x": 3}}'), "`sources.x` must be a str; got 3"),
        (lambda: rewritten(path, about="{"), "is damaged"),
        (lambda: rewritten(path, lambda t: t.pop("test.text")), r"missing \['test.text'\], .*Delete it, and"),
        (
            lambda: rewritten(path, lambda t: t.update({"test.text": torch.zeros(3)})),
            r"got torch.float32 \(3,\)",
        ),
        (lambda: rewritten(path, lambda t: t.update({"test.labels": torch.zeros(9)})), "split 'test' of .* is damaged"),
        (lambda: rewritten(path, lambda t: t["test.labels"].fill_(9)), "must lie in"),
    ]
    for damage, says in cases:
        path.write_bytes(whole)
        damage()
        with pytest.raises(ValueError, match=says):
            load_sentiment("mosei", tmp_path)


def test_an_unwritable_folder_is_named(tmp_path, monkeypatch):
    def fail(values, path, metadata):
        path.write_bytes(b"x")
        raise SafetensorError("disk full")

    monkeypatch.setattr(tensors, "save_file", fail)
    write_pickle(tmp_path, arrays())
    with pytest.raises(OSError, match=r"Cannot write `.*mosei.safetensors` \(disk full\); choose another folder"):
        load_sentiment("mosei", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mosei_data.pkl"]

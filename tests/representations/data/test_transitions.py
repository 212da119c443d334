import io
import json
import math
import sys
import tracemalloc
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anysense.envs.world import DEFAULT_WORLD
from anysense.representations.data import Transitions, storage

RECEIVERS = 3


def make_transitions(lengths=(3, 1, 4), frame_stack=2, modalities=("image", "sound"), seed=0) -> Transitions:
    """Episodes of random content; every transition of every episode is recorded."""
    rng = np.random.default_rng(seed)
    instants, samples = sum(lengths) + len(lengths), sum(lengths)
    ends = np.cumsum(np.array(lengths) + 1)
    firsts = ends - np.array(lengths) - 1
    content = {
        "image": torch.from_numpy(rng.integers(0, 256, (instants, 60, 60), np.uint8)),
        "sound": torch.from_numpy(rng.normal(size=(instants, RECEIVERS, 2)).astype(np.float32)),
    }
    return Transitions(
        modalities={name: content[name] for name in modalities},
        states=torch.from_numpy(rng.normal(size=(instants, 2))),
        actions=torch.from_numpy(rng.normal(size=(samples, 1)).astype(np.float32)),
        rewards=torch.from_numpy(rng.normal(size=samples)),
        current=torch.tensor([f + t for f, n in zip(firsts, lengths, strict=True) for t in range(n)]),
        first=torch.tensor([f for f, n in zip(firsts, lengths, strict=True) for _ in range(n)]),
        trajectory=torch.tensor([k for k, n in enumerate(lengths) for _ in range(n)]),
        frame_stack=frame_stack,
        policy="random",
        seed=7,
        world={"id": DEFAULT_WORLD, "options": {"frame_stack": frame_stack or 1}},
    )


def slow_stack(values: torch.Tensor, newest: int, first: int, frame_stack: int | None) -> torch.Tensor:
    """Queue of an environment: filled with the first frame, then one frame pushed per step; no queue for None."""
    if frame_stack is None:
        return values[newest]
    queue = [values[first]] * frame_stack
    for instant in range(first + 1, newest + 1):
        queue = [*queue[1:], values[instant]]
    return torch.stack(queue)


def assert_same_content(one: Transitions, other: Transitions) -> None:
    assert len(one) == len(other)
    rows = torch.arange(len(one))
    for name in one.modalities:
        assert torch.equal(one.observation(rows)[name], other.observation(rows)[name])
        assert torch.equal(one.next_observation(rows)[name], other.next_observation(rows)[name])
    for read in ("state", "next_state", "action", "reward"):
        assert torch.equal(getattr(one, read)(rows), getattr(other, read)(rows))
    assert torch.equal(one.trajectory, other.trajectory)


@given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    frame_stack=st.none() | st.integers(1, 4),
    data=st.data(),
)
@settings(max_examples=30, deadline=None)
def test_stacks_equal_those_of_a_queue(lengths, frame_stack, data):
    transitions = make_transitions(tuple(lengths), frame_stack)
    indices = data.draw(st.lists(st.integers(0, len(transitions) - 1), min_size=1, max_size=6))
    now, after = transitions.observation(indices), transitions.next_observation(indices)
    for row, index in enumerate(indices):
        current, first = int(transitions.current[index]), int(transitions.first[index])
        for name, values in transitions.modalities.items():
            assert torch.equal(now[name][row], slow_stack(values, current, first, frame_stack))
            assert torch.equal(after[name][row], slow_stack(values, current + 1, first, frame_stack))


def test_shapes_dtypes_and_plain_columns():
    transitions = make_transitions()
    indices = np.array([0, 7, 3])
    observation = transitions.observation(indices)
    assert observation["image"].shape == (3, 2, 60, 60)
    assert observation["image"].dtype == torch.uint8
    assert observation["sound"].shape == (3, 2, RECEIVERS, 2)
    assert observation["sound"].dtype == torch.float32
    assert torch.equal(transitions.state(indices), transitions.states[transitions.current[indices]])
    assert torch.equal(transitions.next_state(indices), transitions.states[transitions.current[indices] + 1])
    assert torch.equal(transitions.action(indices), transitions.actions[indices])
    assert torch.equal(transitions.reward(indices), transitions.rewards[indices])
    assert len(transitions) == 8


def test_reading_copies_and_an_empty_read_is_fine():
    transitions = make_transitions()
    transitions.observation([0])["image"].zero_()
    assert transitions.modalities["image"][0].any()
    assert transitions.observation([])["sound"].shape == (0, 2, RECEIVERS, 2)


@given(st.lists(st.integers(1, 4), min_size=2, max_size=12), st.floats(0.01, 0.99), st.integers(0, 50))
@settings(max_examples=40, deadline=None)
def test_split_keeps_trajectories_whole_and_loses_nothing(lengths, fraction, seed):
    transitions = make_transitions(tuple(lengths), modalities=("sound",))
    train, validation = transitions.split(fraction, seed)
    assert set(train.trajectory.tolist()).isdisjoint(validation.trajectory.tolist())
    assert sorted(train.current.tolist() + validation.current.tolist()) == sorted(transitions.current.tolist())
    expected = min(max(round(fraction * len(lengths)), 1), len(lengths) - 1)
    assert len(validation.trajectory.unique()) == expected
    assert torch.equal(transitions.split(fraction, seed)[1].current, validation.current)


def test_only_the_wanted_modalities_are_read():
    transitions = make_transitions()
    assert set(transitions.observation([0], modalities=["sound"])) == {"sound"}
    with pytest.raises(ValueError, match=r"`modalities` must be one of 'image', 'sound'; got 'smell'"):
        transitions.next_observation([0], modalities=["smell"])


def test_split_depends_on_the_seed_and_shares_memory():
    transitions = make_transitions(tuple([2] * 20))
    parts = [transitions.split(0.5, seed)[0] for seed in (0, 1)]
    assert not torch.equal(parts[0].trajectory, parts[1].trajectory)
    assert parts[0].modalities["image"].data_ptr() == transitions.modalities["image"].data_ptr()


@pytest.mark.parametrize("modalities", [("image", "sound"), ("image",), ("sound",)])
def test_file_restores_everything(tmp_path, modalities):
    transitions = make_transitions(modalities=modalities)
    transitions.save(tmp_path / "data.npz")
    restored = Transitions.load(tmp_path / "data.npz")
    assert_same_content(transitions, restored)
    assert set(restored.modalities) == set(modalities)
    for name in ("frame_stack", "policy", "seed", "world"):
        assert getattr(restored, name) == getattr(transitions, name)
    assert [entry.name for entry in tmp_path.iterdir()] == ["data.npz"]


@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    frame_stack=st.none() | st.integers(1, 4),
    data=st.data(),
)
@settings(max_examples=30, deadline=None)
def test_file_of_a_subset_holds_only_what_it_reads(tmp_path_factory, lengths, frame_stack, data):
    transitions = make_transitions(tuple(lengths), frame_stack, modalities=("sound",))
    indices = data.draw(st.lists(st.integers(0, len(transitions) - 1), min_size=1, max_size=5))
    part = transitions.select(indices)
    path = tmp_path_factory.mktemp("subset") / "data.npz"
    part.save(path)
    restored = Transitions.load(path)
    assert_same_content(part, restored)
    read = {
        instant
        for index in indices
        for instant in range(
            max(int(transitions.current[index]) - (frame_stack or 1) + 1, int(transitions.first[index])),
            int(transitions.current[index]) + 2,
        )
    }
    assert restored.instants == len(read)


def test_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "data.npz"
    make_transitions(seed=1).save(path)
    before = path.read_bytes()

    def full(file, **_):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match=r"Cannot write `.*data.npz` \(No space left on device\); free space"):
        make_transitions(seed=2).save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["data.npz"]


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`.*data.npz` does not exist.*collect the data first"):
        Transitions.load(tmp_path / "data.npz")


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.99])
def test_truncated_file(tmp_path, kept):
    path = tmp_path / "data.npz"
    make_transitions().save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(ValueError, match=r"`.*data.npz` is damaged.*Collect the data again"):
        Transitions.load(path)


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
@settings(max_examples=60, deadline=None)
def test_an_altered_byte_never_goes_unnoticed(tmp_path_factory, where, change):
    path = tmp_path_factory.mktemp("altered") / "data.npz"
    transitions = make_transitions((2, 1), modalities=("sound",))
    transitions.save(path)
    content = bytearray(path.read_bytes())
    content[int(where * len(content))] ^= change
    path.write_bytes(content)
    try:
        restored = Transitions.load(path)
    except ValueError:
        pass
    else:  # The byte had no meaning (a time stamp or a flag of the archive).
        assert_same_content(transitions, restored)


def rewrite(path, **changes):
    """Replace arrays of the file (None removes one)."""
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays.update(changes)
    np.savez(path, **{name: values for name, values in arrays.items() if values is not None})


def described(path, **changes):
    with np.load(path) as archive:
        about = json.loads(str(archive["about"]))
    return np.array(json.dumps(about | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (lambda p: {"about": described(p, version=99)}, r"format version 99, this installation reads version 2"),
        (lambda p: {"about": described(p, format="other")}, r"is not a file of recorded transitions"),
        (lambda p: {"about": np.array("{")}, r"has no readable description"),
        (lambda p: {"about": None}, r"is not a file of recorded transitions"),
        (
            lambda p: {"about": described(p, frame_stack=0)},
            r"`frame_stack` must be None or an integer from 1 to 1000, got 0",
        ),
        (lambda p: {"about": described(p, frame_stack=10**9)}, r"`frame_stack` must be None or an integer from 1 to"),
        (lambda p: {"about": described(p, world={"id": 3})}, r"`world` must hold an id and options"),
        (lambda p: {"about": described(p, seed="x")}, r"`policy` must be a string and `seed` an integer"),
        (lambda p: {"about": np.array("[" * 100_000)}, r"has no readable description"),
        (lambda p: {"about": described(p, surprise=1)}, r"its description must hold .*'world'\], it holds .*surprise"),
        (lambda p: {"rewards": None}, r"it must hold .*'rewards'.*it holds"),
        (lambda p: {"extra": np.zeros(3)}, r"may hold 'states', it holds .*'extra'"),
        (lambda p: {"states": np.zeros((11, 2), np.int64)}, r"`states` must have dtype torch.float64; got torch.int64"),
        (lambda p: {"states": np.zeros((10, 2))}, r"`states` must be numbers of two axes with 11 rows.*\(10, 2\)"),
        (lambda p: {"actions": np.zeros((3, 1), np.float32)}, r"`actions` must be numbers with 8 rows.*\(3, 1\)"),
        (lambda p: {"actions": np.zeros(8, bool)}, r"`actions` must be numbers with 8 rows, got torch.bool"),
        (lambda p: {"rewards": np.zeros((8, 1))}, r"`rewards` must be .*got torch.float64 of shape \(8, 1\)"),
        (lambda p: {"current": np.full(8, 10)}, r"`first` and `current` must satisfy.*8 transitions do not"),
        (lambda p: {"modality.image": None, "modality.sound": None}, r"`modalities` is empty"),
        (
            lambda p: {"modality.sound": np.zeros((11, 3), int)},
            r"`modalities\['sound'\]` must have dtype torch.uint8 or",
        ),
        (lambda p: {"modality.sound": np.full((11, 3), np.nan, "f4")}, r"`modalities\['sound'\]` has NaN or infinity"),
        (lambda p: {"mask.smell": np.ones(11, bool)}, r"`masks` must be one of 'image', 'sound'; got 'smell'"),
        (lambda p: {"mask.sound": np.ones(3, bool)}, r"`masks\['sound'\]` must have shape \(11,\), one per sample"),
        (lambda p: {"states": np.array([None])}, r"states.npy holds Python objects"),
    ],
)
def test_foreign_content_is_refused(tmp_path, changes, message):
    path = tmp_path / "data.npz"
    make_transitions().save(path)
    rewrite(path, **changes(path))
    with pytest.raises(ValueError, match=message):
        Transitions.load(path)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(ValueError, match="damaged or not a file of recorded transitions"):
        Transitions.load(tmp_path / "text.npz")
    with zipfile.ZipFile(tmp_path / "zip.npz", "w") as archive:
        archive.writestr("note.txt", "hello")
    with pytest.raises(ValueError, match="damaged or not a file of recorded transitions"):
        Transitions.load(tmp_path / "zip.npz")
    np.savez(tmp_path / "other.npz", values=np.zeros(3))
    with pytest.raises(ValueError, match="is not a file of recorded transitions"):
        Transitions.load(tmp_path / "other.npz")


def test_a_stack_is_present_where_all_of_its_frames_are():
    transitions = make_transitions((3, 2), frame_stack=2)
    seen = torch.tensor([True, True, False, True, False, True, True])  # Instants 0 to 3 and 4 to 6.
    masked = replace(transitions, masks={"sound": seen})
    present = masked.present(range(5))
    assert present[0].tolist() == [True] * 5
    assert present[1].tolist() == [True, True, False, False, False]
    single = replace(masked, frame_stack=None)
    assert single.present(range(5))[1].tolist() == [True, True, False, False, True]


# What a file claims


def peak_of_loading(path) -> int:
    """Largest memory that Python allocates while the file is refused."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"`.*data.npz` is damaged or not a file of recorded transitions"):
            Transitions.load(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def with_member(path, name: str, header: bytes, content: bytes, method=zipfile.ZIP_DEFLATED) -> None:
    """Add an array with any header to the file."""
    with zipfile.ZipFile(path, "a", method) as archive, archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        file.write(header)
        file.write(content)


def npy_header(shape: tuple[int, ...], dtype: str = "|u1") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_small_file_cannot_take_much_memory(tmp_path, method):
    """Zeros compress a thousandfold: 120 MB of them are 0.1 MB or less."""
    path = tmp_path / "data.npz"
    make_transitions().save(path)
    size = 120 * 2**20
    with_member(path, "modality.smell", npy_header((size,)), bytes(size), method)
    assert path.stat().st_size < 2**20
    assert peak_of_loading(path) < 2**24


@pytest.mark.parametrize("shape", [(10**12,), (2**62, 8), (10**6, 10**6), (3,), (-5,)])
def test_shapes_that_are_not_those_of_the_content(tmp_path, shape):
    path = tmp_path / "data.npz"
    make_transitions().save(path)
    with_member(path, "modality.smell", npy_header(shape, "<f8"), bytes(40))
    assert peak_of_loading(path) < 2**24


def test_two_arrays_of_one_name(tmp_path):
    path = tmp_path / "data.npz"
    make_transitions().save(path)
    with pytest.warns(UserWarning, match="Duplicate name"):
        with_member(path, "rewards", npy_header((8,)), bytes(8))
    with pytest.raises(ValueError, match="it holds two arrays of one name"):
        Transitions.load(path)


def test_data_that_compress_better_than_a_file_may_claim_can_be_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "_ALWAYS_ALLOWED", 0)
    transitions = make_transitions((400,), modalities=("image",))
    dark = replace(transitions, modalities={"image": torch.zeros_like(transitions.modalities["image"])})
    dark.save(tmp_path / "data.npz")
    assert_same_content(dark, Transitions.load(tmp_path / "data.npz"))
    transitions.save(tmp_path / "usual.npz")
    assert (tmp_path / "usual.npz").stat().st_size < 1.1 * transitions.modalities["image"].nbytes


# Quantities to read out


def test_probe_targets_are_those_of_the_world():
    """Cosine and sine of the angle do not jump at pi, as the angle does; speeds are in rad/s."""
    transitions = make_transitions()
    states = transitions.states.clone()
    known = [[math.pi / 2, 3.0], [math.pi, -1.0], [-math.pi, -1.0]]
    states[:3] = torch.tensor(known, dtype=torch.float64)
    names, values = replace(transitions, states=states).probe_targets([0, 1, 2])
    assert names == ("cos_theta", "sin_theta", "omega")
    expected = torch.tensor([[0.0, 1.0, 3.0], [-1.0, 0.0, -1.0], [-1.0, 0.0, -1.0]], dtype=torch.float64)
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-12)
    assert replace(transitions, states=None).probe_targets([0]) is None
    assert replace(transitions, world={}).probe_targets([0]) is None


def test_a_file_does_not_import_a_module_for_its_world(tmp_path):
    transitions = replace(make_transitions(), world={"id": "antigravity:Anything-v0", "options": {}})
    transitions.save(tmp_path / "data.npz")
    with pytest.raises(ValueError, match="files must not run code"):
        Transitions.load(tmp_path / "data.npz").probe_targets([0])
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([8], r"`indices` must lie between 0 and 7, got 8 to 8"),
        ([-1, 2], r"`indices` must lie between 0 and 7, got -1 to 2"),
        ([0.5], r"`indices` must be one row of integers, got torch.float32"),
        (torch.ones(8, dtype=torch.bool), r"`indices` must be one row of integers, got torch.bool"),
        (torch.zeros(2, 2, dtype=torch.int64), r"`indices` must be one row of integers.*\(2, 2\)"),
    ],
)
def test_wrong_indices(indices, message):
    with pytest.raises(IndexError, match=message):
        make_transitions().observation(indices)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan"), "0.5", None, {}])
def test_wrong_fraction(fraction):
    with pytest.raises(ValueError, match=r"`validation_fraction` must lie in \(0, 1\)"):
        make_transitions().split(fraction, 0)


@pytest.mark.parametrize("seed", [-1, 1.5, "x", [], None])
def test_wrong_seed(seed):
    with pytest.raises(ValueError, match="`seed` must be a whole number of at least 0"):
        make_transitions().split(0.5, seed)


def test_one_trajectory_cannot_be_split():
    with pytest.raises(ValueError, match=r"`split` needs at least 2 trajectories.*got 1"):
        make_transitions((5,)).split(0.5, 0)

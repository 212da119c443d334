"""Multiple Features from files written here, in both published forms."""

import numpy as np
import pytest

from anysense.representations.data.readers.mfeat import WIDTHS, load_mfeat, mfeat_digest, read_mfeat
from tests.mfeat_files import DIGITS, tables, write_mfeat


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    spaces, commas = (tmp_path_factory.mktemp(name) for name in ("spaces", "commas"))
    write_mfeat(spaces)
    for name, table in tables().items():
        header = ",".join(map(str, range(table.shape[1]))) + ",0"
        rows = np.column_stack([table, DIGITS])
        np.savetxt(commas / f"mfeat-{name}.csv", rows, fmt="%.8g", delimiter=",", header=header, comments="")
    return spaces, commas


def test_both_forms_hold_the_same(folders):
    (first, labels), (second, others) = (read_mfeat(folder) for folder in folders)
    expected = tables()
    for name in WIDTHS:
        np.testing.assert_array_equal(first[name], expected[name])
        np.testing.assert_array_equal(second[name], expected[name])
    assert labels.tolist() == others.tolist() == DIGITS.tolist()
    assert mfeat_digest(first) == mfeat_digest(second)
    first["fou"][5, 5] += 0.5
    assert mfeat_digest(first) != mfeat_digest(second)


def test_the_same_numeral_in_every_view_and_parts_that_share_none(folders):
    splits = load_mfeat(folders[0])
    parts = (splits.train, splits.validation, splits.test)
    assert [len(part) for part in parts] == [1350, 150, 500]
    assert len({row.numpy().tobytes() for part in parts for row in part.values["fou"]}) == 2000
    for part in parts:
        assert np.bincount(part.targets.numpy()).tolist() == [len(part) // 10] * 10
        for values in part.values.values():
            np.testing.assert_allclose(values[:, 0], part.values["pix"][:, 0], atol=1e-6)
            np.testing.assert_allclose(values[:, 1], part.targets / 9, atol=1e-6)
            assert not values[:, 2].any()
            assert 0 <= values.min() <= values.max() <= 1
    for values in splits.train.values.values():
        assert (values.amin(dim=0) == 0).all()
        assert (values.amax(dim=0)[[0, 1, *range(3, values.shape[1])]] == 1).all()


def test_the_seed_decides(folders):
    first, again, other = (load_mfeat(folders[1], 100, 50, seed).test.fingerprint() for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(("train", "test"), [(1501, 100), (1990, 20), (0, 10), (10, 0)])
def test_sizes(folders, train, test):
    with pytest.raises(ValueError, match=f"multiples of 10 with a sum of at most 2000; got {train}, {test}"):
        load_mfeat(folders[0], train, test)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("mfeat-kar", None, "mfeat-kar` does not exist. `anysense data mfeat --folder .*` fetches"),
        ("mfeat-kar", b"1 2 3\n", r"must hold 2000 rows of 64 finite numbers; got 1 of 3. Remove it; `anysense data"),
        ("mfeat-kar", (b"0 " * 64 + b"\n") * 1999 + b"nan " * 64, "64 finite numbers; row 2000 has another one"),
        ("mfeat-kar", b"1 2\n1 2 3\n", r"finite numbers: the number of columns changed from 2 to 3 at row 2\. Remove"),
        ("mfeat-kar", b"PK\3\4\xff", "64 finite numbers: 'ascii' codec"),
        ("mfeat-kar", b"", "64 finite numbers: it is empty. Remove it"),
        ("mfeat-kar", bytes(17 << 20), "must be at most 16,777,216 bytes"),
    ],
)
def test_damaged(folders, tmp_path, name, content, message):
    for path in folders[0].iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises((FileNotFoundError, ValueError), match=message):
        read_mfeat(tmp_path)


def test_rows_in_another_order(folders, tmp_path):
    for path in folders[1].iterdir():
        header, *lines = path.read_text().splitlines(keepends=True)
        (tmp_path / path.name).write_text(header + "".join(reversed(lines)))
    with pytest.raises(ValueError, match="must hold 200 rows of each digit in order"):
        read_mfeat(tmp_path)

import pickle

import numpy as np
import pytest

from anysense.runs.commands.data import main


@pytest.fixture
def folder(tmp_path):
    """A folder with a processed pickle of a few samples."""
    content = {
        split: {
            "text": np.ones((count, 50, 300)),
            "audio": np.ones((count, 50, 74)),
            "vision": np.ones((count, 50, 35)),
            "labels": np.linspace(-3, 3, count).reshape(count, 1, 1),
        }
        for split, count in (("train", 7), ("valid", 2), ("test", 3))
    }
    (tmp_path / "mosei_senti_data.pkl").write_bytes(pickle.dumps(content, 2))
    return tmp_path


def test_real_data_are_converted_and_shown(folder, capsys):
    main(["mosei", "--folder", str(folder)])
    shown = capsys.readouterr()
    assert (folder / "mosei.safetensors").is_file()
    assert "Converting `mosei_senti_data.pkl`" in shown.err
    assert "CMU-MOSEI: share of rounded labels" in shown.out
    assert "14.3%" in shown.out
    assert "Edition 7/2/3: an unknown edition" in shown.out
    assert "Made from mosei_senti_data.pkl, SHA-256 " in shown.out


def test_the_stand_in_is_labelled_synthetic(capsys):
    main(["mosei-offline", "--train", "30", "--validation", "5", "--test", "6", "--seed", "3"])
    assert "mosei-offline (synthetic stand-in for CMU-MOSEI)" in capsys.readouterr().out


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="has no file of CMU-MOSI"):
        main(["mosi", "--folder", str(tmp_path)])
    with pytest.raises(ValueError, match="`url` must be the address of a file"):
        main(["mosi", "--folder", str(tmp_path), "--url", "somewhere"])

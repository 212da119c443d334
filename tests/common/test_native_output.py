"""Silence for libraries in C."""

import os

import pytest

from anysense.common.native_output import quiet_libraries


def test_what_is_written_meanwhile_is_discarded_and_stderr_is_back_after_an_error(capfd):
    with quiet_libraries():
        os.write(2, b"noise")
    with pytest.raises(ValueError, match="wrong"), quiet_libraries():
        raise ValueError("wrong")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"

"""Fetches the published MHD files from Google Drive."""

from pathlib import Path

from anysense.common.files import replace_file
from anysense.representations.data.readers.mhd import MHD_FILES, MHD_FOLDER, check_mhd_file

__all__ = ["MHD_DRIVE_IDS", "download_mhd"]

MHD_DRIVE_IDS = {"train": "1Tj1i-hXA0INQpU0jmuTMO4IwfDoGD2oV", "test": "1qiEjFNCFn1ws383pKmY3zJtm4JDymOU6"}
"""Google-Drive ids of the files, as published with Nexus."""


def download_mhd(folder: str | Path = MHD_FOLDER, progress: bool = True) -> dict[str, int]:
    """Download what is missing and check both files; gives the number of samples by part, ``train`` and ``test``.

    A file appears under its name only when it is complete and valid. ``progress``: whether gdown draws its bar.

    Raises:
        ModuleNotFoundError: gdown is not installed.
        RuntimeError: The download failed; the message says how to fetch the file by hand.
        ValueError: A file that is there already is not a published one.
    """
    counts = {}
    for part, name in MHD_FILES.items():
        path = Path(folder) / name
        if not path.is_file():
            _fetch(part, path, progress)
        counts[part] = check_mhd_file(path)
    return counts


def _fetch(part: str, path: Path, progress: bool) -> None:
    try:
        import gdown
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"Downloading MHD needs gdown: pip install 'anysense[data]'. {_by_hand(part, path)}"
        ) from error

    def fetch(temporary: Path) -> None:
        try:
            gdown.download(id=MHD_DRIVE_IDS[part], output=str(temporary), quiet=not progress)
            check_mhd_file(temporary)
        except Exception as error:  # gdown and requests have many types; what came may also be no data at all
            reason = " ".join(str(error).replace(str(temporary), "what came").split())
            raise RuntimeError(f"`{path.name}` could not be downloaded: {reason} {_by_hand(part, path)}") from error

    replace_file(path, fetch)


def _by_hand(part: str, path: Path) -> str:
    return (
        f"By hand: open https://drive.google.com/file/d/{MHD_DRIVE_IDS[part]}/view in a browser, put the file at "
        f"`{path}` and run `anysense data mhd` again. Without any download: the data set mhd-offline."
    )

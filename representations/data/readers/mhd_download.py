"""Fetches the published MHD files from Google Drive."""

from pathlib import Path

from anysense.common.extras import MissingExtraError, import_extra
from anysense.common.progress import Progress
from anysense.representations.data.readers.download import SECONDS, Received, download
from anysense.representations.data.readers.mhd import MHD_FILES, MHD_FOLDER, check_mhd_file

__all__ = ["MHD_DRIVE_IDS", "download_mhd"]

MHD_DRIVE_IDS = {"train": "1Tj1i-hXA0INQpU0jmuTMO4IwfDoGD2oV", "test": "1qiEjFNCFn1ws383pKmY3zJtm4JDymOU6"}
"""Google-Drive ids of the files, as published with Nexus."""


def download_mhd(folder: str | Path = MHD_FOLDER, progress: Progress | None = None) -> dict[str, int]:
    """Download what is missing and check both files; gives the number of samples by part, ``train`` and ``test``.

    A file appears under its name only when it is complete and valid. ``progress`` is called with the bytes received and
    expected (0: not announced).

    Raises:
        MissingExtraError: gdown is not installed.
        ConnectionError: The download failed; the message says how to fetch the file by hand.
        OSError: A file cannot be written.
        ValueError: A file that is there already is not a published one.
    """
    counts = {}
    for part, name in MHD_FILES.items():
        path = Path(folder) / name
        if not path.is_file():
            _download(MHD_DRIVE_IDS[part], path, progress or (lambda done, total: None))
        counts[part] = check_mhd_file(path)
    return counts


def _download(drive_id: str, path: Path, progress: Progress) -> None:
    by_hand = (
        f"By hand: open https://drive.google.com/file/d/{drive_id}/view in a browser, put the file at `{path}` and run "
        "`anysense data mhd` again. Without any download: the data set mhd-offline."
    )
    try:
        gdown = import_extra("gdown", "data", "downloading MHD")
    except MissingExtraError as error:
        raise MissingExtraError(f"{error}. {by_hand}", name=error.name) from error

    def fetch(received: Received) -> None:
        def tell(done: int, total: int | None) -> None:
            progress(done, total or 0)

        try:
            gdown.download(id=drive_id, output=received, quiet=True, use_cookies=False, timeout=SECONDS, progress=tell)
        except Exception as error:  # gdown and requests have many types
            raise ConnectionError(str(error)) from error

    try:
        download(path, fetch, check_mhd_file)
    except (ConnectionError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConnectionError(f"`{path.name}` could not be downloaded: {reason} {by_hand}") from error

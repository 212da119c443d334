"""What the site of the docs does beyond its settings in ``mkdocs.yml``: the changelog stands on a page of its own."""

from pathlib import Path
from typing import Any

__all__ = ["on_page_markdown"]


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """The text of a page; that of the changelog comes from the file beside the README."""
    if page.file.src_uri != "changelog.md":
        return markdown
    return Path("CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "](")

"""Where things are: the project's folder, and the one in which `tagger up` and the demo keep their data."""

from __future__ import annotations

from pathlib import Path


def project_folder() -> Path:
    """The checkout, or the current folder where the project was installed as a package."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


def data_folder() -> Path:
    """What is kept between runs: the store's files and the key that seals tokens."""
    return project_folder() / ".tagger" / "up"


def demo_folder() -> Path:
    """What one run of the demo leaves to look at: logs, and settings for a second terminal."""
    return project_folder() / ".tagger" / "demo"


def own_store_url() -> str | None:
    """The store that `tagger up` runs at this moment, if it does."""
    kept = data_folder() / "store.url"
    return kept.read_text(encoding="utf-8").strip() if kept.is_file() else None

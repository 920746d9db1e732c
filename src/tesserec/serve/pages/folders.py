"""Folders: what a run wrote beside the model of a version."""

from pathlib import Path

from tesserec.serve.keeping import Version
from tesserec.serve.models import Models

LEVELS = 3  # of folders: a seed of a method of a study


def places(models: Models, version: Version) -> list[Path]:
    """The folder of a version and those above it, up to what is served."""
    top, folder = models.run.resolve(), Path(version.folder).resolve()
    found = [folder]
    while folder != top and top in folder.parents and len(found) < LEVELS:
        folder = folder.parent
        found.append(folder)
    return found


def holding(models: Models, version: Version, name: str) -> Path | None:
    """The nearest folder that holds a file."""
    return next((one for one in places(models, version) if (one / name).is_file()), None)

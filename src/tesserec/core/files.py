"""Files that are whole or not there: written aside, synced, renamed; folders with checksums."""

import ctypes
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # not on Windows, where nobody is kept out
    fcntl = None  # type: ignore[assignment]

from tesserec.core.errors import BadData, BadRequest, DamagedFile, DiskFull

MANIFEST = "manifest.json"
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)  # to this process, or to all
_ASIDE = ".part"  # how names end that stand for others until these are whole


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, which takes its place when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}{_ASIDE}")
    with room(path):
        try:
            aside.touch()
            mode = aside.stat().st_mode
            yield aside
            _open_up(aside, mode)
            _sync(aside)
            os.replace(aside, path)
            _sync(path.parent)
        finally:
            aside.unlink(missing_ok=True)


@contextmanager
def replacing_folder(
    folder: Path, manifest: bool = True, mark: str = MANIFEST, needs: int = 0
) -> Iterator[Path]:
    """A temporary folder that takes the place of `folder`, with checksums of all its files.

    `needs` is how many bytes it will hold, where that is known: without room nothing is begun.
    A folder without the file `mark` was not written here, and whatever it holds is not thrown
    away: raises `BadRequest` unless it is empty.
    """
    if folder.exists() and not (folder / mark).is_file() and not _is_empty(folder):
        raise BadRequest(f"{folder} holds other things and would be lost.", "Name a new folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name(f".{folder.name}.{os.getpid()}{_ASIDE}")
    shutil.rmtree(aside, ignore_errors=True)
    with room(folder, needs):
        try:
            aside.mkdir()
            yield aside
            if manifest:
                _write_manifest(aside)
            mode = aside.stat().st_mode
            for place in [*aside.rglob("*"), aside]:
                _open_up(place, mode)
                _sync(place)
            _swap(aside, folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Whoever else asks so for this folder waits until the block ends; a kill ends it, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def check_writable(path: Path) -> None:
    """Raises `BadRequest` where nothing can be written to `path`, before work is done for it."""
    place = next(one for one in path.absolute().parents if one.is_dir())
    if not os.access(place, os.W_OK):
        raise BadRequest(f"{place} cannot be written to.", "Open it to writing, or name another.")


def closed(error: Exception) -> Path | None:
    """What this process may not read or write, if that is the error."""
    if not isinstance(error, OSError) or error.errno not in CLOSED or not error.filename:
        return None
    place = Path(os.fsdecode(error.filename))
    return place.parent if place.suffix == _ASIDE else place


def write_text(path: Path, text: str) -> None:
    """Write a whole text file or none."""
    with replacing(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a whole JSON file or none."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises `BadData` when it is not there, `DamagedFile` when it is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadData(f"{path} is not there.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DamagedFile(f"{path} is damaged: {error}.") from None


def verify(folder: Path) -> dict[str, Any]:
    """Check every file of a folder against its manifest, and return the manifest.

    Raises `DamagedFile` naming the first file that is missing, cut or changed.
    """
    manifest: dict[str, Any] = _checked_manifest(folder)
    for name, (size, digest) in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise DamagedFile(f"{path} is missing.", "Copy the folder again, whole.")
        if path.stat().st_size != size:
            raise DamagedFile(f"{path} has {path.stat().st_size} bytes instead of {size}.", _AGAIN)
        if _digest(path) != digest:
            raise DamagedFile(f"{path} was changed after it was written.", _AGAIN)
    return manifest


_AGAIN = "Copy it again, or take an older version."


def _checked_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    manifest = read_json(path)
    try:
        if path.read_text(encoding="utf-8") == _manifest_text(manifest["files"]):
            return dict(manifest)
    except (KeyError, TypeError):
        pass
    raise DamagedFile(f"{path} was changed after it was written.", _AGAIN)


def _write_manifest(folder: Path) -> None:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {p.relative_to(folder).as_posix(): [p.stat().st_size, _digest(p)] for p in paths}
    (folder / MANIFEST).write_text(_manifest_text(files), encoding="utf-8")


def _manifest_text(files: dict[str, Any]) -> str:
    """A manifest that vouches for itself: every byte follows from the list of files."""
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    return json.dumps({"files": files, "digest": digest}, indent=1)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _swap(new: Path, folder: Path) -> None:
    """Put `new` in the place of `folder`; what was there is thrown away."""
    if not folder.exists():
        os.rename(new, folder)
    elif not _exchange(new, folder):
        # A kill between these two leaves the old folder aside, whole.
        old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
        shutil.rmtree(old, ignore_errors=True)
        os.rename(folder, old)
        os.rename(new, folder)
        shutil.rmtree(old, ignore_errors=True)
    _sync(folder.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step, so that no kill leaves a gap; False where none can."""
    try:
        rename = ctypes.CDLL(None).renameat2  # Linux
    except (AttributeError, OSError, TypeError):
        return False
    here, both = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(rename(here, os.fsencode(one), here, os.fsencode(other), both) == 0)


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _open_up(path: Path, mode: int) -> None:
    """Who may read what is usually written here may read this file, too.

    Libraries that write aside themselves leave files that are their owner's alone.
    """
    mode &= 0o666
    if path.is_file() and path.stat().st_mode & 0o666 != mode:
        path.chmod(mode)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def room(path: Path, needs: int = 0) -> Iterator[None]:
    """Say plainly that the disk is full, before anything is begun where the size is known."""
    if needs > shutil.disk_usage(path.parent).free:
        raise _no_room(path, needs)
    try:
        yield
    except Exception as error:
        if not _is_full(error):
            raise
        raise _no_room(path, needs) from error  # what was begun is gone by now


def _no_room(path: Path, needs: int) -> DiskFull:
    free = shutil.disk_usage(path.parent).free
    wanted = f"{needs:,} bytes are needed and" if needs else "more is needed than the"
    return DiskFull(
        f"No room to write {path}: {wanted} {free:,} bytes {'are' if needs else 'that are'} free.",
        "Free some space and run the command again; what was there before is whole.",
    )


def _is_full(error: Exception) -> bool:
    """Whether a disk or a quota is used up, in the words of the system or of a library."""
    full = (errno.ENOSPC, errno.EDQUOT)
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in full
    # safetensors and polars quote the system; numpy only counts what it could not write.
    words = [*(f"(os error {number})" for number in full), "requested and"]
    return any(word in str(error) for word in words)


def newest_whole(folders: list[Path], use: Callable[[Path], Any]) -> Any:
    """What `use` makes of the last of `folders` that is whole; damaged ones are passed over.

    Raises the newest one's `DamagedFile` when all are damaged, `BadData` when there is none.
    """
    damage: DamagedFile | None = None
    for folder in reversed(folders):
        try:
            verify(folder)
            return use(folder)
        except (DamagedFile, BadData) as error:
            damage = damage or DamagedFile(str(error))
    raise damage or BadData("There is no checkpoint to go on from.", "Leave out --resume.")

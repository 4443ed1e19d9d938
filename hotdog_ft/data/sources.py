"""What `--data` means: the book's data set, the drawn one, a folder or an archive, each made into a checked folder."""

from __future__ import annotations

import errno
import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from hotdog_ft.data import demo, download
from hotdog_ft.data.folder import ImageFolder, Split, read_folder
from hotdog_ft.data.photo import SUFFIXES, read_photo
from hotdog_ft.data.salvage import whole_photos
from hotdog_ft.errors import ConfigError, DataError, ImageError
from hotdog_ft.files import cache_home, replacing_folder, sha256

HOTDOG_URLS = (
    "http://d2l-data.s3-accelerate.amazonaws.com/hotdog.zip",
    "https://apache-mxnet.s3-accelerate.amazonaws.com/gluon/dataset/hotdog.zip",
)
LARGEST_RATIO = 50
"""Photos are packed already: a ZIP takes few percent of them, unless they are drawings in BMP."""
SMALL = 64 << 20
"""Bytes for which the ratio is no matter."""
HOTDOG_CHECKSUM = "sha1:fba480ffa8aa7e0febbb511d181409f899b9baa5"


def open_source(
    data: str, seed: int = 0, val_split: float = 0.0, progress: download.Progress | None = None
) -> ImageFolder:
    """The data set that `data` names: `hotdog`, `demo`, a folder, or a ZIP.

    seed: of the split of a folder without train/ and test/, and of the validation part, val_split of train/.
    Raises: ConfigError (there is no such thing), DownloadError, DataError.
    """
    place = local_folder(data, progress)
    try:
        folder = read_folder(place, seed).hold_out(val_split, seed)
        for name, split in folder.splits().items():
            _find_one_readable(folder, split, name)
    except DataError as error:
        # What the user named is the archive, not the folder that it was unpacked to.
        raise DataError(error.message.replace(str(place), data), hint=error.hint) from error
    return folder


def check_exists(data: str) -> None:
    """Raise ConfigError unless `data` is a known name or a path that exists. Opens nothing."""
    if data not in ("hotdog", "demo") and not Path(data).exists():
        raise ConfigError(
            f"--data: {data} is not there.", hint="Give hotdog, demo, or the path of a folder or ZIP of class folders."
        )


def local_folder(data: str, progress: download.Progress | None = None) -> Path:
    """The folder with the photos; downloaded, drawn or unpacked into the cache first where need be."""
    check_exists(data)
    if data == "hotdog":
        return unpack(fetch_hotdog(progress))
    if data == "demo":
        return _demo_folder()
    path = Path(data)
    if path.is_dir():
        return path
    if path.is_file():
        return unpack(path)
    raise DataError(f"{data}: neither a folder nor a file.", hint="Give the path of a folder or ZIP of class folders.")


def fetch_hotdog(progress: download.Progress | None = None) -> Path:
    """The book's archive in the cache. Raises: DownloadError."""
    path = cache_home() / "data" / "hotdog.zip"
    hint = f"Try --data demo, or give a copy as --data FILE.zip; one put at {path} is used without a network."
    return download.fetch(HOTDOG_URLS, path, HOTDOG_CHECKSUM, by_hand=hint, progress=progress)


def unpack(archive: Path) -> Path:
    """The photos of a ZIP as a folder in the cache, under the archive's checksum. Raises: DataError."""
    folder = cache_home() / "data" / f"{archive.stem}-{sha256(archive)[:16]}"
    if folder.is_dir():
        return folder
    try:
        with zipfile.ZipFile(archive) as opened, replacing_folder(folder) as temporary:
            for member, place in _photos_in(archive, opened):
                target = temporary / place
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
    except DataError:
        raise
    except zipfile.BadZipFile as error:
        whole = sum(1 for _ in whole_photos(archive))
        hint = "Fetch it again."
        if whole:
            hint = f"Fetch it again; or save the {whole} that are whole: hotdog-ft data salvage {archive} DIR"
        raise DataError(f"{archive}: not a whole ZIP archive ({error}).", hint=hint) from error
    except Exception as error:  # a damaged archive makes zipfile and its decompressors raise nearly anything
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # the disk, not the archive
        raise DataError(
            f"{archive}: can't be unpacked ({error}).", hint="Unpack it with another program and give the folder."
        ) from error
    return folder


def _photos_in(archive: Path, opened: zipfile.ZipFile) -> Iterator[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """The members that are photos, and where they go. Raises DataError for a member that would go elsewhere."""
    found = False
    _check_bomb(archive, opened)
    for member in opened.infolist():
        place = PurePosixPath(member.filename.replace("\\", "/"))
        if place.suffix.lower() not in SUFFIXES or member.is_dir() or "__MACOSX" in place.parts:
            continue
        if place.is_absolute() or ".." in place.parts or ":" in place.parts[0]:
            raise DataError(
                f"{archive}: {member.filename!r} would be written outside of the archive's folder.",
                hint="Don't use this archive: it was made to do harm, or by a broken program.",
            )
        if stat.S_ISLNK(member.external_attr >> 16):
            raise DataError(
                f"{archive}: {member.filename!r} is a link, not a photo.",
                hint="Pack the photos themselves into the archive.",
            )
        found = True
        yield member, place
    if not found:
        nested = [name for name in opened.namelist() if name.lower().endswith((".zip", ".tar", ".gz", ".7z", ".rar"))]
        inside = f", but {nested[0]!r}, which is an archive itself" if nested else ""
        hint = "Unpack that one, and give its folder." if nested else "Pack one folder of photos for each class."
        raise DataError(f"{archive}: no images in it{inside}.", hint=hint)


def _check_bomb(archive: Path, opened: zipfile.ZipFile) -> None:
    """Raise DataError for an archive that would fill the disk, or that promises more than photos can be packed by."""
    size = sum(member.file_size for member in opened.infolist())
    if size > LARGEST_RATIO * archive.stat().st_size + SMALL:
        raise DataError(
            f"{archive}: would become {size >> 20} MiB, {size // max(1, archive.stat().st_size)} times its size.",
            hint="Don't use this archive: photos can't be packed so tightly; it was made to fill disks.",
        )
    home = cache_home()
    free = shutil.disk_usage(next(place for place in (home, *home.parents) if place.exists())).free
    if size > free:
        raise DataError(
            f"{archive}: its {size >> 20} MiB don't fit on the disk, which has {free >> 20} MiB left.",
            hint="Make room, or name a cache folder on another disk in HOTDOG_FT_HOME.",
        )


def _demo_folder() -> Path:
    """The drawn data set in the cache, drawn when missing."""
    folder = cache_home() / "data" / f"demo-{demo.VERSION}"
    if not folder.is_dir():
        with replacing_folder(folder) as temporary:
            demo.write_demo(temporary)
    return folder


def _find_one_readable(folder: ImageFolder, split: Split, name: str) -> None:
    """Raise DataError for a class of which not one photo can be read: the rest can be skipped one by one."""
    members: list[list[Path]] = [[] for _ in folder.classes]
    for path, label in zip(split.paths, split.labels):
        members[label].append(path)
    for class_name, paths in zip(folder.classes, members):
        if not any(_readable(path) for path in paths):
            raise DataError(
                f"{folder.root}: none of the {len(paths)} {name} photos of {class_name!r} can be read.",
                hint="Open some with an image viewer: they may not be images.",
            )


def _readable(path: Path) -> bool:
    try:
        read_photo(path)
    except ImageError:
        return False
    return True

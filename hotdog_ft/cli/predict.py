"""`hotdog-ft predict`: say what photos show."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hotdog_ft.cli.answers import ORDERS, csv_answers, json_answers, order, table_answers
from hotdog_ft.cli.options import common_options, computing_options, progress, run_option, tta_option, unknown_option
from hotdog_ft.cli.words import WORDS
from hotdog_ft.errors import ConfigError

if TYPE_CHECKING:
    from hotdog_ft.cli.preview import Preview
    from hotdog_ft.data.photo import PhotoSource
    from hotdog_ft.data.stream import Pause
    from hotdog_ft.inference.class_folders import ClassFolders
    from hotdog_ft.inference.explained_folder import ExplainedFolder
    from hotdog_ft.inference.predictor import Prediction, Predictor

log = logging.getLogger(__name__)

STDIN = "-"


@click.command()
@click.argument("paths", nargs=-1, required=True, type=WORDS, metavar="PATH...")
@run_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values, with a header.")
@click.option(
    "--top",
    envvar="HOTDOG_FT_TOP",
    type=click.IntRange(min=1),
    metavar="K",
    help="Name the K most probable classes, the most probable first, in place of all or one.",
)
@click.option(
    "--sort",
    envvar="HOTDOG_FT_SORT",
    type=click.Choice(list(ORDERS)),
    metavar="|".join(ORDERS),
    help=f"Wait for all answers, and sort them: {'; '.join(f'{name}: {text}' for name, text in ORDERS.items())}.",
)
@click.option("--copy-to", type=WORDS, metavar="DIR", help="Copy each photo into the folder of its class in DIR.")
@click.option("--move-to", type=WORDS, metavar="DIR", help="Move each photo there.")
@click.option(
    "--explain",
    "explain_to",
    type=WORDS,
    metavar="DIR",
    help="Write to DIR what the network saw of each photo, coloured where it looked (Grad-CAM).",
)
@click.option("--preview", envvar="HOTDOG_FT_PREVIEW", is_flag=True, help="Show each photo, in the terminal.")
@click.option(
    "--preview-as",
    envvar="HOTDOG_FT_PREVIEW_AS",
    type=click.Choice(["auto", "kitty", "iterm", "sixel", "blocks"]),
    default="auto",
    show_default=True,
    metavar="auto|kitty|iterm|sixel|blocks",
    help="By which protocol, or of coloured half blocks.",
)
@computing_options
@unknown_option
@tta_option
@common_options
def predict(
    paths: tuple[str, ...],
    run_folder: str,
    as_json: bool,
    as_csv: bool,
    top: int | None,
    sort: str | None,
    copy_to: str | None,
    move_to: str | None,
    explain_to: str | None,
    preview: bool,
    preview_as: str,
    batch_size: int,
    workers: int | None,
    devices: str,
    unknown_below: float,
    tta: str,
) -> int:
    """Say what photos show.

    PATH is a photo, a folder of photos, a pattern such as 'photos/*.jpg', an address (https://…), or - for standard
    input: paths and addresses, one a line, or one image. Answers come in that order, each as soon as it is known. The
    exit status is 1 if a photo could not be read, or not be moved, copied or explained.
    """
    _check_form(as_json, as_csv, preview)
    _check_places(paths, copy_to, move_to, explain_to)

    from hotdog_ft.cli.photo_arguments import expand
    from hotdog_ft.inference.predictor import load

    predictor = load(run_folder, devices, batch_size, workers, unknown_below, mirror=tta == "flip")
    classes = predictor.classifier.classes
    folders = _class_folders(copy_to, move_to, classes)
    explained = _explained_folder(explain_to, predictor) if explain_to is not None else None
    picture = _preview(preview_as) if preview else None
    photos: Iterable[PhotoSource | Pause] = expand(paths)
    bar = _bar(paths)
    if bar and STDIN not in paths:
        photos = list(photos)
        bar = functools.partial(bar, total=len(photos)) if len(photos) > 1 else None

    if as_json:
        write = json_answers(top)
    elif as_csv:
        write = csv_answers(classes, top, explained is not None)
    else:
        write = table_answers(classes, top)
    failed = False
    side = picture.side if picture else 0
    with contextlib.closing(predictor.predict(photos, side, copy_to is not None, explained is not None)) as answers:
        predictions: Iterable[Prediction] = _explained(answers, explained) if explained else answers
        predictions = _filed(predictions, folders) if folders else predictions
        if bar:
            predictions = bar(predictions)
        if sort:
            predictions = sorted(predictions, key=order(sort, classes))
        for prediction in predictions:
            failed |= prediction.error is not None
            with _above_bar(bar):
                if picture and prediction.thumbnail is not None:
                    click.echo(picture.draw(prediction.thumbnail), nl=False, color=True)
                write(prediction)
    if folders:
        log.info("%s", folders.summary())
        failed |= folders.failed > 0
    if explained:
        log.info("%s", explained.summary())
        failed |= explained.failed > 0
    return 1 if failed else 0


def _check_form(as_json: bool, as_csv: bool, preview: bool) -> None:
    """Raises: ConfigError, for forms of output that exclude each other."""
    chosen = [name for name, given in (("--json", as_json), ("--csv", as_csv), ("--preview", preview)) if given]
    if len(chosen) > 1:
        raise ConfigError(f"{' and '.join(chosen)} exclude each other.", hint="Choose one of them.")


def _check_places(paths: Sequence[str], copy_to: str | None, move_to: str | None, explain_to: str | None) -> None:
    """Raises: ConfigError, for photos that can't be read twice or moved, and folders that are none."""
    from hotdog_ft.data.address import is_url

    if copy_to is not None and move_to is not None:
        raise ConfigError("--copy-to and --move-to exclude each other.", hint="Choose one of them.")
    if paths.count(STDIN) > 1:
        raise ConfigError("-: given twice.", hint="Standard input can be read once.")
    for option, folder in (("--copy-to", copy_to), ("--move-to", move_to), ("--explain", explain_to)):
        if folder == "" or (folder is not None and os.path.lexists(folder) and not os.path.isdir(folder)):
            raise ConfigError(f"{option}: {folder!r} is no folder.", hint="Name a folder; it is made if need be.")
    if move_to is not None:
        for path in filter(is_url, paths):
            raise ConfigError(f"--move-to: {path} can't be moved.", hint="Use --copy-to.")


def _class_folders(copy_to: str | None, move_to: str | None, classes: Sequence[str]) -> ClassFolders | None:
    """The folders to sort photos into. Raises: OSError, when they can't be made."""
    from hotdog_ft.inference.class_folders import ClassFolders
    from hotdog_ft.inference.predictor import UNKNOWN

    root = copy_to if move_to is None else move_to
    return ClassFolders(Path(root), [*classes, UNKNOWN], move=move_to is not None) if root is not None else None


def _explained_folder(folder: str, predictor: Predictor) -> ExplainedFolder:
    """Where explanations go. Raises: RunError, when nothing can be explained; OSError, when it can't be made."""
    from hotdog_ft.inference.explained_folder import ExplainedFolder

    _ = predictor.explainer
    return ExplainedFolder(Path(folder))


def _explained(predictions: Iterable[Prediction], folder: ExplainedFolder) -> Iterator[Prediction]:
    """The predictions, each when its explanation has been written."""
    for prediction in predictions:
        yield prediction if prediction.error is not None else folder.file(prediction)


def _filed(predictions: Iterable[Prediction], folders: ClassFolders) -> Iterator[Prediction]:
    """The predictions, each when its photo has been sorted into its folder."""
    for prediction in predictions:
        if prediction.error is None:
            folders.file(prediction)
        yield prediction


def _preview(way: str) -> Preview | None:
    from hotdog_ft.cli.preview import find_preview

    return find_preview(way)


def _bar(paths: Sequence[str]) -> Callable[..., Any] | None:
    """A maker of progress bars, on a terminal; none where somebody types paths there."""
    bar = progress()
    typed = STDIN in paths and sys.stdin is not None and sys.stdin.isatty()
    return functools.partial(bar, unit=" photos", desc="photos") if bar and not typed else None


def _above_bar(bar: Callable[..., Any] | None) -> contextlib.AbstractContextManager:
    """For a `with`, in which is printed what is not to be mixed up with a progress bar."""
    if bar is None:
        return contextlib.nullcontext()
    from tqdm import tqdm

    return tqdm.external_write_mode(file=sys.stdout)

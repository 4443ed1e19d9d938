"""`hotdog-ft data`: fetch a data set, look for what is wrong with one, or save what can be saved of an archive."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hotdog_ft.cli.options import common_options, progress
from hotdog_ft.cli.words import WORDS
from hotdog_ft.files import printable

if TYPE_CHECKING:
    from hotdog_ft.data.check import Finding, Report

SHOWN = 20
"""Findings that are shown without --all."""


@click.group(invoke_without_command=True)
@click.pass_context
def data(context: click.Context) -> None:
    """Fetch a data set ahead of time, look for what is wrong with one, or save what a broken archive has."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@data.command()
@click.argument("name", type=click.Choice(["hotdog", "demo"]), default="hotdog", metavar="[hotdog|demo]")
@common_options
def fetch(name: str) -> None:
    """Bring a data set into the cache, for a machine that goes offline. Prints its folder."""
    from hotdog_ft.data.sources import local_folder

    click.echo(local_folder(name, progress()))


@data.command()
@click.argument("archive", type=click.Path(exists=True, dir_okay=False), metavar="ZIP")
@click.argument("folder", type=WORDS, metavar="DIR")
@common_options
def salvage(archive: str, folder: str) -> None:
    """Save the photos that are whole out of a ZIP that breaks off or is damaged.

    They go below DIR as they lay in the archive; what is there already stays as it is. Whether they are enough to train
    on, `data check DIR` says.
    """
    from hotdog_ft.data.salvage import salvage as save_photos

    count = save_photos(Path(archive), Path(folder))
    click.echo(f"{count} {'photo' if count == 1 else 'photos'} saved to {folder}.")


@data.command()
@click.argument("path", type=WORDS, envvar="HOTDOG_FT_DATA", default="hotdog", metavar="[hotdog|demo|DIR|ZIP]")
@click.option("--all", "show_all", is_flag=True, help=f"Show every finding, not only the {SHOWN} worst.")
@click.option("--json", "as_json", is_flag=True, help="Everything, as one JSON document.")
@click.option(
    "--sheet", type=WORDS, metavar="FILE", help="Draw the findings to this PNG: photos side by side, the worst first."
)
@click.option("--strict", is_flag=True, help="Exit with 1 when test leaks into train.")
@click.option(
    "--seed",
    envvar="HOTDOG_FT_SEED",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of the split into train and test, where there are only class folders: training's.",
)
@common_options
def check(path: str, show_all: bool, as_json: bool, sheet: str | None, strict: bool, seed: int) -> int:
    """Look for broken photos, copies, leaks between train and test, wrong labels and classes out of balance.

    Reads every photo and changes nothing. A copy may be resized, encoded anew, mirrored, or cropped to 90 % of its
    height and width; docs/data.md says how it is found, and what isn't.
    """
    from hotdog_ft.recipes.check_data import check_data

    report = check_data(path, sheet, seed, None if show_all else 3 * SHOWN, progress())
    if as_json:
        click.echo(json.dumps(_document(path, report), indent=2))
    else:
        _print(path, report, None if show_all else SHOWN)
    if not (strict and any(report.leaks.values())):
        return 0
    if not as_json:
        click.echo("With --strict, that makes the exit status 1.")
    return 1


def _print(path: str, report: Report, most: int | None) -> None:
    """The data set's photos, how much was found of each kind, and the findings, the first `most` of them."""
    from hotdog_ft.data.check import KINDS

    survey = report.survey
    parts = list(survey.counts)
    width = max(len(printable(name)) for name in ["class", *survey.classes])
    split = " (split as training would split it)" if survey.is_split else ""
    click.echo(f"{path}: {len(survey.photos):,} photos{split}")
    click.echo(f"{'class':{width}}" + "".join(f"{part:>12}" for part in parts))
    for name in survey.classes:
        numbers = "".join(f"{survey.counts[part][name]:12,}" for part in parts)
        click.echo(f"{printable(name):{width}}{numbers}")
    if not report.findings:
        click.echo("\nNothing was found.")
        return
    click.echo("\nfound")
    for kind, count in report.found().items():
        if count:
            click.echo(f"{count:6,}  {kind:12}  {KINDS[kind]}")
    click.echo()
    shown = report.findings[:most]
    width = max(len(", ".join(finding.kinds)) for finding in shown)
    for finding in shown:
        click.echo(f"{', '.join(finding.kinds):{width}}  {_description(finding, report)}")
    if most is not None and len(report.findings) > most:
        click.echo(f"and {len(report.findings) - most:,} more: --all shows them, --sheet FILE.png draws them.")
    for part, count in report.leaks.items():
        if count:
            total = sum(survey.counts[part].values())
            before = " or ".join(parts[: parts.index(part)])
            click.echo(f"Leak: {count:,} of the {total:,} photos of {part} ({count / total:.1%}) are also in {before}.")


def _description(finding: Finding, report: Report) -> str:
    """A finding's paths, and what is wrong with them."""
    paths = [printable(path) for path in _relative(finding.paths, report)]
    if report.survey.is_split:  # then a path doesn't say its part
        paths = [f"{path} ({part})" if part else path for path, part in zip(paths, _parts(finding.paths, report))]
    similarity = "" if finding.similarity is None else f", similarity {finding.similarity:.2f}"
    return "  ".join([*paths, printable(finding.detail)]) + similarity


def _document(path: str, report: Report) -> dict:
    """What --json prints: these keys, whatever was found."""
    survey = report.survey
    return {
        "data": path,
        "root": str(survey.root),
        "split": "random" if survey.is_split else "folders",
        "photos": len(survey.photos),
        "counts": survey.counts,
        "found": report.found(),
        "leaks": report.leaks,
        "findings": [
            {
                "kinds": list(finding.kinds),
                "paths": _relative(finding.paths, report),
                "parts": _parts(finding.paths, report),
                "detail": finding.detail,
                "similarity": finding.similarity,
            }
            for finding in report.findings
        ],
    }


def _relative(paths: tuple[Path, ...], report: Report) -> list[str]:
    """Paths from the data set's folder on; those in an archive that were not unpacked as they are."""
    root = report.survey.root
    return [str(path.relative_to(root) if path.is_relative_to(root) else path) for path in paths]


def _parts(paths: tuple[Path, ...], report: Report) -> list[str | None]:
    """train, validation or test for each path; None for what is no photo."""
    return [report.parts.get(path) for path in paths]

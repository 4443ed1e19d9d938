"""`hotdog-ft weights`: where ImageNet weights are to be had, and which are here."""

from __future__ import annotations

import logging

import click

from hotdog_ft.cli.options import common_options, progress
from hotdog_ft.cli.words import WORDS
from hotdog_ft.config import TrainConfig
from hotdog_ft.errors import ConfigError

log = logging.getLogger("hotdog_ft")


@click.group(invoke_without_command=True)
@click.pass_context
def weights(context: click.Context) -> None:
    """List, fetch, check and import ImageNet weights."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@weights.command(name="list")
@click.argument("names", type=WORDS, nargs=-1, metavar="[NAME]...")
@click.option("--here", is_flag=True, help="Only those that are on this machine.")
@common_options
def list_(names: tuple[str, ...], here: bool) -> None:
    """List the sources of each network's weights.

    They come in the order in which they are tried, with their files' places on this machine. NAME is a network or a
    pattern such as 'resnet18*'. Accuracy is top-1 on ImageNet's validation photos, as published.
    """
    from hotdog_ft.models.imported import imported_path, imported_record
    from hotdog_ft.models.sources import places
    from hotdog_ft.models.table import matching

    listed = [network for network in matching(names) if not network.refused]
    click.echo(f"{'network':22} {'accuracy':>8}  {'size':>7}  {'licence':12}  {'source':40}  file")
    for network in listed:
        if imported_path(network.name).is_file():
            size = imported_path(network.name).stat().st_size
            origin = imported_record(network.name).get("origin", "?")
            place = imported_path(network.name)
            click.echo(f"{network.name:22} {'':8}  {_size(size)}  {'':12}  {'imported':40}  {place} (from {origin})")
        elif not network.weights and not here:
            click.echo(f"{network.name:22} {'':8}  {'':7}  {'':12}  none was published")
        for source in network.weights:
            path = next((path for path in places(source) if path.is_file()), None)
            if here and path is None:
                continue
            accuracy = f"{source.top1:.3f}" if source.top1 else "?"
            size = path.stat().st_size if path else source.size or -4 * network.parameters
            licence = source.licence.split(" ")[0]
            where = source.where
            click.echo(
                f"{network.name:22} {accuracy:>8}  {_size(size)}  {licence:12}  {where:40}  {path or source.file}"
                + ("" if path else " (not here)")
            )


@weights.command()
@click.argument("names", type=WORDS, nargs=-1, required=True, metavar="NAME...")
@common_options
def fetch(names: tuple[str, ...]) -> None:
    """Bring networks' weights into the cache, for a machine that goes offline.

    NAME is a network or a pattern such as 'resnet18*'. Prints the files.
    """
    from hotdog_ft.errors import HotdogError
    from hotdog_ft.models.imported import imported_path
    from hotdog_ft.models.table import find_network, matching
    from hotdog_ft.models.weights import find_or_fetch

    for name in names:
        if not any(c in name for c in "*?["):
            find_network(name)  # which says why a network can't be fine-tuned
    failures: list[HotdogError] = []
    for network in [network for network in matching(names) if not network.refused]:
        try:
            imported = imported_path(network.name)
            click.echo(imported if imported.is_file() else find_or_fetch(network, progress())[1])
        except HotdogError as error:  # the others' weights are wanted all the same
            failures.append(error)
    if failures:
        for failure in failures[:-1]:
            log.warning("%s", failure.message)
        raise failures[-1]


@weights.command()
@common_options
def verify() -> int:
    """Check every file of weights on this machine against its checksum. The exit status is 1 if one differs."""
    from hotdog_ft.models.checking import check_all

    bad = 0
    for finding in check_all():
        click.echo(f"{finding.verdict:9}  {finding.path}" + (f" ({finding.detail})" if finding.detail else ""))
        bad += finding.verdict == "damaged"
    if bad:
        click.echo(f"{bad} damaged: remove what was fetched, it comes again; import again what was imported.", err=True)
    return 1 if bad else 0


@weights.command(name="import")
@click.argument("file", type=WORDS, metavar="FILE")
@click.option(
    "--model",
    envvar="HOTDOG_FT_MODEL",
    default=TrainConfig.model,
    show_default=True,
    metavar="NAME",
    help="The network that they are for.",
)
@click.option("--photo", metavar="PHOTO", help="What to try them on.  [default: a pagoda, from scikit-learn]")
@common_options
def import_(file: str, model: str, photo: str | None) -> None:
    """Take FILE as a network's ImageNet weights from now on, and show what they see in a photo.

    FILE is a Gluon .params file, an MXNet checkpoint (NAME-symbol.json or NAME-0000.params), an ONNX file that was
    exported from MXNet, a PyTorch state dict (.pth), safetensors, or Caffe's SqueezeNet pickle.
    """
    from hotdog_ft.files import check_file
    from hotdog_ft.models.table import find_network

    if parts := find_network(model).parts:
        raise ConfigError(
            f"--model: {model} is {len(parts)} networks.", hint=f"Import a file for {parts[0].name}, then for the next."
        )
    check_file(file, "FILE: ", hint="Give the path of a file of weights.")
    if photo is not None:
        check_file(photo, "--photo: ", hint="Give the path of a photo.")

    from hotdog_ft.recipes.import_weights import import_weights

    imported = import_weights(model, file, photo)
    click.echo(f"All {len(imported.weights.parameters)} parameters of {model} matched. In {imported.photo} it sees:")
    for label, probability in imported.top:
        click.echo(f"  {probability:6.1%}  {label}")
    click.echo(f"Kept in {imported.path}: `--weights imagenet` uses it for {model}.")


def _size(size: int) -> str:
    """In MB, in 7 characters. Below 0: an estimate, from four bytes a parameter."""
    return f"{'~' if size < 0 else ''}{abs(size) / 1e6:.0f} MB".rjust(7)

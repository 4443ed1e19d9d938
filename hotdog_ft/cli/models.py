"""`hotdog-ft models`: what can be fine-tuned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hotdog_ft.cli.options import common_options, progress
from hotdog_ft.cli.words import WORDS
from hotdog_ft.errors import ConfigError

if TYPE_CHECKING:
    from hotdog_ft.models.table import Network


@click.command()
@click.argument("names", type=WORDS, nargs=-1, metavar="[NAME]...")
@click.option("--rank", is_flag=True, help="By ImageNet accuracy, with the speed on this machine, measured now.")
@click.option("--again", is_flag=True, help="With --rank: measure anew what was measured before.")
@common_options
def models(names: tuple[str, ...], rank: bool, again: bool) -> None:
    """List the networks that can be fine-tuned, or describe the one of this NAME.

    NAME is a network or a pattern such as 'resnet18*'. --rank measures each network for some seconds (all of them: half
    an hour) and keeps the figures; name those that you are choosing between.
    """
    from hotdog_ft.models.table import matching

    if again and not rank:
        raise ConfigError("--again: belongs to --rank.", hint="Use it as --rank --again.")
    networks = matching(names)
    if rank:
        _rank([network for network in networks if not network.refused], again)
    elif names == (networks[0].name,):
        _describe(networks[0])
    else:
        _list(networks)


def _list(networks: list[Network]) -> None:
    click.echo(f"{'name':22} {'family':18} {'parameters':>11}  {'input':>5}  {'accuracy':>8}  ImageNet weights")
    for network in networks:
        places = ", ".join(dict.fromkeys(source.where for source in network.weights)) or "none were published"
        if network.refused:
            places = f"can't be fine-tuned: {network.refused}"
        click.echo(
            f"{network.name:22} {network.family:18} {network.parameters:11,}  {network.preprocess.image_size:5}  "
            f"{_accuracy(network):>8}  {places}"
        )


def _describe(network: Network) -> None:
    from hotdog_ft.models.table import find_network

    find_network(network.name)  # unless it can't be fine-tuned

    from hotdog_ft.models import zoo
    from hotdog_ft.models.weights import locate

    net = zoo.build(network.name, 1000, network.preprocess.image_size)
    click.echo(f"{network.name} ({network.family})")
    click.echo(f"  output      {zoo.output_layer(network.name, net)}")
    click.echo(f"  parameters  {zoo.count_parameters(net):,}")
    click.echo(f"  preprocess  {network.preprocess.describe()}")
    if not network.weights:
        click.echo("  weights     none were published for ImageNet")
        return
    click.echo(f"  weights     {locate(network) or 'not on this machine'}")
    for source in network.weights:
        accuracy = f", accuracy {source.top1:.3f}" if source.top1 else ""
        checksum = source.checksum.replace(":", " ")
        click.echo(f"              from {source.where}, {checksum}, {source.licence}{accuracy}")


def _rank(networks: list[Network], again: bool) -> None:
    from hotdog_ft.recipes.rank import BATCH_SIZE, rank

    ranked = sorted(rank(networks, progress(), again), key=lambda pair: pair[0].top1 or 0, reverse=True)
    click.echo(f"{'name':22} {'accuracy':>8}  {'parameters':>11}  {'training':>8}  {'prediction':>10}")
    for network, speed in ranked:
        shown = f"{network.name:22} {_accuracy(network):>8}  {network.parameters:11,}  "
        if speed.failure:
            click.echo(f"{shown}can't be measured: {speed.failure}")
        else:
            click.echo(f"{shown}{speed.training:8.1f}  {speed.prediction:10.1f}")
    click.echo(
        f"Images/s at the network's own size, in batches of {BATCH_SIZE}; accuracy as published, '-' if none was."
    )


def _accuracy(network: Network) -> str:
    return f"{network.top1:.3f}" if network.top1 else "-"

"""`hotdog-ft models`: what can be fine-tuned."""

from __future__ import annotations

import click

from hotdog_ft.cli.options import common_options


@click.command()
@click.argument("name", required=False)
@common_options
def models(name: str | None) -> None:
    """List the networks that can be fine-tuned, or describe the one of this NAME."""
    from hotdog_ft.models.table import find_network, networks

    if name is None:
        click.echo(f"{'name':18} {'family':18} {'parameters':>11}  {'input':>5}  ImageNet weights")
        for network in networks().values():
            places = ", ".join(_place(source) for source in network.weights)
            size = network.preprocess.image_size
            click.echo(f"{network.name:18} {network.family:18} {network.parameters:11,}  {size:5}  {places}")
        return

    network = find_network(name)

    from hotdog_ft.models import weights, zoo

    net = zoo.build(name, 1000, network.preprocess.image_size)
    path = weights.locate(network)
    click.echo(f"{name} ({network.family})")
    click.echo(f"  output      {zoo.output_layer(net)}")
    click.echo(f"  parameters  {zoo.count_parameters(net):,}")
    click.echo(f"  preprocess  {network.preprocess.describe()}")
    click.echo(f"  weights     {path or 'not on this machine'}")
    for source in network.weights:
        click.echo(f"              from {_place(source)}, {weights.checksum(source).replace(':', ' ')}")


def _place(source: dict[str, str]) -> str:
    return f"package {source['package']}" if source["source"] == "package" else "Gluon's model store"

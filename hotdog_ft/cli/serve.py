"""`hotdog-ft serve`: a page and an API that say what photos show."""

from __future__ import annotations

import logging
import os
import signal

import click

from hotdog_ft.cli.interrupts import handled
from hotdog_ft.cli.options import common_options, computing_options, tta_option, unknown_option
from hotdog_ft.cli.words import WORDS
from hotdog_ft.errors import ConfigError

log = logging.getLogger(__name__)


@click.command()
@click.argument("run_folder", envvar="HOTDOG_FT_RUN", default="runs/latest", type=WORDS, metavar="[RUN]")
@click.option(
    "--host",
    envvar="HOTDOG_FT_HOST",
    default="127.0.0.1",
    show_default=True,
    type=WORDS,
    metavar="ADDRESS",
    help="Where to listen: an address of this machine, or 0.0.0.0 for all it has.",
)
@click.option(
    "--port",
    envvar="HOTDOG_FT_PORT",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="0: one that is free.",
)
@click.option(
    "--api-key",
    envvar="HOTDOG_FT_API_KEY",
    type=WORDS,
    metavar="KEY",
    help="Answer only requests that have it. Others on this machine can read it here; in HOTDOG_FT_API_KEY they can't.",
)
@click.option(
    "--examples",
    envvar="HOTDOG_FT_EXAMPLES",
    type=WORDS,
    metavar="DIR|none",
    help="Photos to try, on the page.  [default: some of the run's test photos]",
)
@click.option(
    "--max-bytes",
    envvar="HOTDOG_FT_MAX_BYTES",
    type=click.IntRange(1),
    default=32 << 20,
    show_default=True,
    metavar="INTEGER",
    help="Of one request. Of all together, up to 32 times as much is held in memory.",
)
@click.option(
    "--max-pixels",
    envvar="HOTDOG_FT_MAX_PIXELS",
    type=click.IntRange(1, 2**28),
    default=100_000_000,
    show_default=True,
    metavar="INTEGER",
    help="Of a photo.",
)
@click.option(
    "--max-photos",
    envvar="HOTDOG_FT_MAX_PHOTOS",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    metavar="INTEGER",
    help="Of one request.",
)
@click.option(
    "--queue",
    envvar="HOTDOG_FT_QUEUE",
    type=click.IntRange(1),
    default=256,
    show_default=True,
    metavar="INTEGER",
    help="Photos that may wait; who brings more is told to come again (429).",
)
@click.option(
    "--timeout",
    envvar="HOTDOG_FT_TIMEOUT",
    type=click.FloatRange(0, 3600, min_open=True),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="For sending a request, and as many for its answer.",
)
@computing_options
@unknown_option
@tta_option
@common_options
def serve(
    run_folder: str,
    host: str,
    port: int,
    api_key: str | None,
    examples: str | None,
    max_bytes: int,
    max_pixels: int,
    max_photos: int,
    queue: int,
    timeout: float,
    batch_size: int,
    workers: int | None,
    devices: str,
    unknown_below: float,
    tta: str,
) -> None:
    """Open a page where one drops a photo and sees what it shows, and an API for programs.

    RUN is a run's folder or a model folder (default: runs/latest). Ctrl-C or SIGTERM stops it, when it has answered
    what it has accepted; once more stops it at once. Needs the extra `serve`.
    """
    from hotdog_ft.serve import check_installed
    from hotdog_ft.serve.settings import Settings

    check_installed()
    if api_key is None and os.environ.get("HOTDOG_FT_API_KEY") == "":
        raise ConfigError(
            "HOTDOG_FT_API_KEY: is empty, which is no key.", hint="Set it to a key, or remove it to have none."
        )
    settings = Settings(host, port, api_key, max_bytes, max_pixels, max_photos, queue, timeout)

    from hotdog_ft.inference.predictor import load
    from hotdog_ft.machine import give_back_large_blocks
    from hotdog_ft.recipes.serve import find_examples, make_server
    from hotdog_ft.serve.server import address_of, bind

    with bind(settings) as bound:  # before the model is loaded: another server may be there already
        if not settings.local and api_key is None:
            log.warning("Whoever reaches this machine can use the model: --host %s without --api-key.", host)
        give_back_large_blocks()
        predictor = load(run_folder, devices, batch_size, workers, unknown_below, mirror=tta == "flip")
        offered = find_examples(run_folder, examples)
        address = address_of(bound)
        server = make_server(
            predictor, settings, offered, lambda: click.echo(f"{run_folder} answers at {address} (Ctrl-C stops it).")
        )
        with handled((signal.SIGINT, signal.SIGTERM), server.handle_exit):
            server.run(sockets=[bound])

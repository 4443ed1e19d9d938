"""`hotdog-ft`: one file a command. A command parses, calls one recipe or function, and prints.

Commands are imported when they are called for, and heavy imports stand inside their bodies, so that `--help` and usage
errors come at once. The one place where errors become text and an exit status is `run`.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys
import warnings

import click

from hotdog_ft.cli.interrupts import clean_termination, kept_interrupts
from hotdog_ft.config import did_you_mean
from hotdog_ft.errors import HotdogError, Terminated, ran_out_of_memory
from hotdog_ft.machine import launched_by

COMMANDS = (
    "init",
    "train",
    "scratch",
    "launch",
    "compare",
    "sweep",
    "tune",
    "evaluate",
    "predict",
    "export",
    "serve",
    "runs",
    "show",
    "data",
    "models",
    "weights",
    "doctor",
    "completion",
)

log = logging.getLogger("hotdog_ft")


class Commands(click.Group):
    """The commands of this folder, each in the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return getattr(importlib.import_module(f"hotdog_ft.cli.{cmd_name}"), cmd_name)

    def invoke(self, ctx: click.Context):
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # before Click sees it, which would exit with 1
            drop_stdout()
            return 0

    def resolve_command(self, ctx: click.Context, args: list[str]):
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            ctx.fail(f"There is no command {name!r}{did_you_mean(name, COMMANDS)}.")
        return super().resolve_command(ctx, args)


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="hotdog-ft", prog_name="hotdog-ft")
@click.pass_context
def cli(context: click.Context) -> None:
    """Fine-tune image classifiers on Apache MXNet: a pretrained network, a fresh output layer, your photos."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit. 0 done; 1 failed; 2 usage or configuration; 130 Ctrl-C; 143 SIGTERM."""
    status = run(arguments)
    if status and launched_by() != "local":
        # MXNet would wait for the other processes of the group first, which may be waiting for this one.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(status)
    sys.exit(status)


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; print an error as two lines on stderr. Returns the exit status."""
    _prepare_streams()
    try:
        with kept_interrupts(), clean_termination():
            status = cli.main(arguments, prog_name="hotdog-ft", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.UsageError as error:
        words = [word for word in (sys.argv[1:] if arguments is None else arguments)[:1] if word in COMMANDS]
        command = error.ctx.command_path if error.ctx else " ".join(["hotdog-ft", *words])
        return _fail(error.format_message(), f"`{command} --help` shows how it is used.", error.exit_code, error)
    except HotdogError as error:
        return _fail(error.message, error.hint, error.exit_status, error)
    except Terminated as error:
        return _fail("Terminated.", "Nothing was left half-written; a download goes on where it was.", 143, error)
    except (KeyboardInterrupt, click.Abort) as error:
        return _fail("Interrupted.", "Nothing was left half-written; a download goes on where it was.", 130, error)
    except BrokenPipeError:
        drop_stdout()
        return 0
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}.", "Check the path, its permissions, and the disk.", 1, error)
    except Exception as error:
        if ran_out_of_memory(error):
            return _fail("Out of memory.", "Take a smaller network, or end other programs first.", 1, error)
        text = f"{type(error).__name__}: {error}".split("\n", 1)[0]
        hint = "This should not happen: please report it with the traceback that --debug shows."
        return _fail(f"Unexpected: {text}", hint, 1, error)


def drop_stdout() -> None:
    """Write to nowhere from now on: whoever read our output has seen enough (`… | head`)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _prepare_streams() -> None:
    """Stand in for streams that the caller has closed, and keep Pillow's remarks on odd files to ourselves."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, for as long as the process lives
    if not sys.warnoptions:
        warnings.filterwarnings("ignore", module=r"PIL\.")


def _fail(message: str, hint: str, status: int, error: BaseException) -> int:
    """Print the two lines, below the traceback when --debug asks for it."""
    if log.isEnabledFor(logging.DEBUG):
        import traceback

        traceback.print_exception(type(error), error, error.__traceback__)
    from hotdog_ft.files import printable

    # A message of several lines, as some libraries write them, becomes one; a server's words, or a file's, may hold
    # whatever would move a terminal's cursor.
    click.echo(f"Error: {printable(' '.join(message.split()))}", err=True)
    click.echo(f"Hint: {printable(hint)}", err=True)
    return status

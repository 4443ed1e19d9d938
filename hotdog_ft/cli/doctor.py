"""`hotdog-ft doctor`: what this machine has, and what is wrong."""

from __future__ import annotations

import click

from hotdog_ft.cli.options import common_options


@click.command()
@common_options
def doctor() -> int:
    """Show what this machine has, what is wrong, and the fix. The exit status is 1 if something is."""
    from hotdog_ft.recipes.doctor import examine

    findings = examine()
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        click.echo(f"{'!' if finding.fix else ' '} {finding.name:{width}}  {finding.value}")
        if finding.fix:
            click.echo(f"  {'':{width}}  -> {finding.fix}")
    return 1 if any(finding.fix for finding in findings) else 0

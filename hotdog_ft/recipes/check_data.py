"""A data set looked through, and a picture of what was found."""

from __future__ import annotations

from pathlib import Path

from hotdog_ft.data.check import Report, check
from hotdog_ft.data.download import Progress
from hotdog_ft.data.sources import local_folder
from hotdog_ft.data.survey import survey
from hotdog_ft.errors import ConfigError
from hotdog_ft.files import replacing
from hotdog_ft.machine import cores


def check_data(
    data: str,
    sheet: str | Path | None = None,
    seed: int = 0,
    most: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Look through the data set that `data` names, and draw the findings to the PNG `sheet`, the first `most` of them.

    seed: of the split into train and test, where the data set has none. progress: tqdm, or what takes its arguments.
    Raises: ConfigError, DataError, DownloadError.
    """
    if sheet and Path(sheet).suffix.lower() != ".png":
        raise ConfigError(f"--sheet: {sheet} is no PNG's name.", hint="End it in .png.")
    report = check(survey(data, local_folder(data, progress), seed), cores(), progress)
    if sheet:
        from hotdog_ft.report.contact_sheet import MOST, draw_findings

        shown = report.findings[: min(most or MOST, MOST)]
        title = f"{data}: {len(report.findings)} findings" + (
            f", the first {len(shown)}" if len(shown) < len(report.findings) else ""
        )
        with replacing(Path(sheet)) as temporary:
            draw_findings(title, shown, report.survey.root, temporary)
    return report

from __future__ import annotations

from hotdog_ft.cli.reference import reference
from tests.conftest import REPOSITORY


def test_the_reference_in_docs_is_that_of_the_commands():
    # Make it anew: python -m hotdog_ft.cli.reference > docs/cli.md
    assert (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8") == reference()

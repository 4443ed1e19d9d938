"""The documentation as a site: nothing in it leads nowhere, and no reader's browser is sent elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


pytestmark = pytest.mark.slow


def test_every_page_is_in_it(site):
    pages = {path.with_suffix(".html").name for path in (REPOSITORY / "docs").glob("*.md")}
    assert {*pages, "index.html", "contributing.html"} <= {path.name for path in site.iterdir()}


def test_the_first_page_is_the_readme_whose_links_lead_to_pages(site):
    text = (site / "index.html").read_text()
    assert "Fine-tune image classifiers" in text
    assert 'href="recipes.html' in text
    assert [
        link for link in re.findall(r'href="([^"]*)"', text) if link.startswith(("docs/", "configs", "scripts"))
    ] == []


def test_the_python_functions_are_described(site):
    text = (site / "api.html").read_text()
    for name in ("fine_tune", "TrainConfig", "load", "Predictor", "HotdogError"):
        assert f">{name}<" in text


def test_no_page_loads_anything_from_another_host(site):
    for path in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|img|link)[^>]*(?:src|href)="(https?://[^"]*)"', path.read_text())
        assert [address for address in loaded if "canonical" not in address] == []

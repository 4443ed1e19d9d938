"""The page, in a real browser: what a person drops, pastes, chooses and presses, and what is seen and read aloud."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import pytest

pytest.importorskip("playwright")
pytest.importorskip("axe_playwright_python")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from hotdog_ft.backend import mx
from hotdog_ft.data.photo import PhotoBytes
from hotdog_ft.data.sources import unpack
from hotdog_ft.serve.examples import Example
from tests.browser import CHROMIUM, needs_chromium
from tests.conftest import SHARED_PHOTOS
from tests.serve.conftest import jpeg

pytestmark = [needs_chromium, pytest.mark.slow]

expect.set_options(timeout=30_000)  # machines here are shared

VIEWS = [(width, scheme) for width in (1280, 390) for scheme in ("light", "dark")]

DROP = """([kind, data, name]) => {
    const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, {type: "image/jpeg"}));
    const options = {bubbles: true, cancelable: true, dataTransfer: transfer, clipboardData: transfer};
    document.body.dispatchEvent(kind === "paste" ? new ClipboardEvent(kind, options) : new DragEvent(kind, options));
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser) -> Iterator:
    """A function that opens a service's page. In the end nothing must have gone wrong in it, or gone elsewhere."""
    contexts, wrong = [], []

    def open_page(service, width: int = 1280, scheme: str = "light", **options) -> Page:
        touch = {"has_touch": True, "is_mobile": True} if width < 500 else {}
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **touch, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(error))
        own = (service.address, "blob:", "data:")
        page.on("request", lambda request: None if request.url.startswith(own) else wrong.append(request.url))
        page.goto(service.address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def bring(page: Page, how: str, photo: bytes, name: str = "lunch.jpg") -> None:
    """how: drop or paste."""
    page.evaluate(DROP, [how, base64.b64encode(photo).decode(), name])


def violations(page: Page) -> list[dict]:
    """What axe-core finds that keeps people out."""
    return [found for found in Axe().run(page).response["violations"] if found["impact"] in ("serious", "critical")]


def real_photo() -> bytes:
    if not SHARED_PHOTOS.exists():
        pytest.skip("the real photos are not here")
    return next(path for path in sorted(unpack(SHARED_PHOTOS).rglob("*.jpg")) if "test" in path.parts).read_bytes()


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_a_dropped_photo_is_judged_and_explained_and_all_can_read_it(serving, visit, width, scheme):
    service = serving(examples=[Example(f"{i}.jpg", jpeg(seed=i)) for i in range(3)])
    photo = real_photo()
    expected = service.predictor.predict(PhotoBytes("", photo))
    page = visit(service, width, scheme)
    expect(page.get_by_role("heading", level=1)).to_have_text("green or red?")
    expect(page.locator("#examples button")).to_have_count(3)
    bring(page, "drop", photo)
    verdict = page.get_by_role("heading", level=3)
    expect(verdict).to_have_text(f"{expected.label} {100 * expected.probability:.1f} %")
    bars = page.get_by_role("list", name="Probabilities").get_by_role("listitem")
    expect(bars.first).to_contain_text(expected.label)
    expect(bars).to_have_count(2)
    expect(page.get_by_role("status")).to_contain_text(f"lunch.jpg: {expected.label}")
    plain = page.locator(".photo").get_attribute("src")
    look = page.get_by_role("button", name="Where it looked")
    look.click()
    expect(look).to_have_attribute("aria-pressed", "true")
    assert page.locator(".photo").get_attribute("src").startswith("data:image/jpeg")
    assert page.evaluate("document.querySelector('.photo').naturalWidth") == 448
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == []
    look.click()
    expect(page.locator(".photo")).to_have_attribute("src", plain)


@pytest.mark.parametrize("how", ["paste", "choose", "photograph"])
def test_photos_can_come_otherwise_too(serving, visit, tmp_path, how):
    page = visit(serving(), 390)
    paths = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    for path in paths:
        path.write_bytes(jpeg())
    if how == "paste":
        for path in paths:
            bring(page, "paste", path.read_bytes(), path.name)
    elif how == "choose":
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Choose photos").click()
        chooser.value.set_files(paths)
    else:
        for path in paths:
            with page.expect_file_chooser() as chooser:
                page.get_by_role("button", name="Take a photo").click()
            chooser.value.set_files(path)
    expect(page.locator(".answer:not(.waiting):not(.failed)")).to_have_count(2)
    expect(page.locator(".name")).to_have_text(["b.jpg", "a.jpg"])  # the newest first


def test_everything_can_be_done_with_the_keyboard(serving, visit):
    page = visit(serving(examples=[Example("red/0.jpg", jpeg("red"))]))
    expect(page.locator("#examples button")).to_have_count(1)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Choose photos")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Example 1")).to_be_focused()
    page.keyboard.press("Enter")
    look = page.get_by_role("button", name="Where it looked")
    expect(look).to_be_visible()
    page.keyboard.press("Tab")
    expect(look).to_be_focused()
    page.keyboard.press("Space")
    expect(look).to_have_attribute("aria-pressed", "true")


def test_what_cannot_be_answered_says_why(serving, visit):
    page = visit(serving(max_bytes=100_000))
    expect(page.get_by_role("heading", level=1)).to_have_text("green or red?")
    for data, name, told in (
        (b"no photo", "a.txt", "a.txt: not an image that can be read."),
        (jpeg()[:300], "b.jpg", "b.jpg: the JPEG breaks off before its picture begins."),
        (bytes(100_001), "c.jpg", "The photo has more than 0.09537 MiB."),
        (bytes(99_999), "d.jpg", "The request has more than 0.09537 MiB."),
    ):
        bring(page, "drop", data, name)
        card = page.locator(".answer").first
        expect(card.get_by_role("heading")).to_have_text(told)
        expect(card.locator(".hint")).not_to_be_empty()
        expect(card.get_by_role("button", name="Try again")).to_be_hidden()
        expect(page.get_by_role("status")).to_have_text(f"{name}: {told}")
    assert violations(page) == []


def test_a_busy_server_and_one_that_is_gone_can_be_asked_again(serving, visit):
    page = visit(serving())
    expect(page.get_by_role("heading", level=1)).to_have_text("green or red?")
    page.route("**/predict*", lambda route: route.fulfill(status=429, json={"error": "Busy.", "hint": "Later."}))
    bring(page, "drop", jpeg())
    card = page.locator(".answer")
    expect(card.get_by_role("heading")).to_have_text("Busy.")
    page.unroute("**/predict*")
    page.route("**/predict*", lambda route: route.abort())
    card.get_by_role("button", name="Try again").click()
    expect(card.get_by_role("heading")).to_have_text("The server doesn't answer.")
    page.unroute("**/predict*")
    card.get_by_role("button", name="Try again").click()
    expect(card.locator(".bars li")).to_have_count(2)
    expect(card.get_by_role("button", name="Try again")).to_be_hidden()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"status": 502, "body": "<h1>Sorry</h1>"}, "Bad Gateway"),
        ({"status": 200, "body": "<h1>Welcome</h1>"}, "The answer can't be read."),
    ],
)
def test_a_server_in_between_is_no_dead_end(serving, visit, answer, told):
    page = visit(serving())
    expect(page.get_by_role("heading", level=1)).to_have_text("green or red?")
    page.route("**/predict*", lambda route: route.fulfill(content_type="text/html", **answer))
    bring(page, "drop", jpeg())
    card = page.locator(".answer")
    expect(card.get_by_role("heading")).to_have_text(told)
    page.unroute("**/predict*")
    card.get_by_role("button", name="Try again").click()
    expect(card.locator(".bars li")).to_have_count(2)


def test_a_server_that_ends_while_it_answers_is_told(serving, visit):
    page = visit(serving())
    expect(page.get_by_role("heading", level=1)).to_have_text("green or red?")
    page.evaluate("() => { Response.prototype.blob = () => Promise.reject(new TypeError('network error')); }")
    bring(page, "drop", jpeg())
    expect(page.locator(".answer").get_by_role("heading")).to_have_text("The server doesn't answer.")


def test_a_folder_is_told(serving, visit):
    page = visit(serving())
    expect(page.get_by_role("heading", level=1)).to_have_text("green or red?")
    page.evaluate("() => { Blob.prototype.arrayBuffer = () => Promise.reject(new DOMException('', 'NotFoundError')); }")
    bring(page, "drop", b"", "photos")  # so a browser gives a folder
    card = page.locator(".answer")
    expect(card.get_by_role("heading")).to_have_text("The photo can't be read here.")
    expect(card.get_by_role("button", name="Try again")).to_be_hidden()


def test_classes_that_are_numbers_are_ranked_by_probability(serving, visit, toy_net):
    for names in (("2", "10"), ("10", "2")):
        net = toy_net([mx.cpu()])
        net.classes = names
        page = visit(serving(net=net))
        expect(page.get_by_role("heading", level=1)).to_have_text(f"{names[0]} or {names[1]}?")
        bring(page, "drop", jpeg())
        label = page.get_by_role("heading", level=3).locator(".label")
        expect(label).to_have_text(re.compile("^(2|10)$"))
        expect(page.locator(".bars li").first.locator(".class")).to_have_text(label.text_content())


def test_the_key_is_asked_for_and_kept(serving, visit):
    service = serving(api_key="s3cret", examples=[Example("0.jpg", jpeg())])
    page = visit(service)
    key = page.get_by_label("API key")
    expect(key).to_be_focused()
    assert violations(page) == []
    key.fill("schlüssel")
    page.keyboard.press("Enter")
    expect(page.locator("#key-problem")).to_contain_text("A key is of ASCII characters alone.")
    key.fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#key-problem")).to_contain_text("The API key is wrong.")
    key.fill("s3cret")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("green or red?")
    expect(page.locator("#examples img")).to_have_count(1)
    bring(page, "drop", jpeg())
    expect(page.locator(".bars li")).to_have_count(2)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("green or red?")


def test_nothing_moves_for_who_wants_that(serving, visit):
    for motion, duration in (("reduce", "0s"), ("no-preference", "0.4s")):
        page = visit(serving(), reduced_motion=motion)
        bring(page, "drop", jpeg())
        expect(page.locator(".bar").first).to_have_css("transition-duration", duration)


def test_unknown_is_said_and_why(serving, visit):
    page = visit(serving(unknown_below=1.0))
    expect(page.get_by_role("heading", level=1)).to_have_text("green or red?")
    bring(page, "drop", jpeg())
    expect(page.get_by_role("heading", level=3)).to_have_text("unknown")
    expect(page.locator(".hint")).to_have_text("No class is as probable as 100.0 %.")

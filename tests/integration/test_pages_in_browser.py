"""The pages in a real browser: what is clicked, typed and seen; nothing is loaded from elsewhere.

With TESSEREC_SCREENSHOTS=FOLDER pictures of the pages are left there.
"""

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tesserec.core import Dataset
from tesserec.data.build import from_tables
from tesserec.data.format import read
from tesserec.lifecycle.monitor import Trained
from tesserec.methods.collaborative.ease import EASE
from tesserec.methods.collaborative.popular import Popular
from tesserec.methods.generative.tiger import TIGER
from tesserec.serve.keys import Keys
from tesserec.serve.limits import Limits
from tesserec.serve.rows import Event, Exposure
from tesserec.serve.service import Service
from toys.pictures import as_file, plain
from toys.serving import PATIENCE, service_of, serving

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")

DAY = 86_400  # seconds
KEY = "k" * 20
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1100, "height": 900}
COLOURS = ("crimson", "teal", "goldenrod", "indigo")
LOUD = ("error", "warning")  # of what is said on the console
Page = Any  # of Playwright, which need not be installed


def shop() -> Dataset:
    """Forty people of four tastes, 32 items with pictures in the colour of theirs."""
    rows = [
        (f"u{user:02d}", f"i{4 * ((user // 4 + step) % 8) + user % 4:02d}", 100 * step + user)
        for user in range(40)
        for step in range(5)
    ]
    kinds = ("Tea pot", "Rain coat", "Brass lamp", "Ink pen")
    titles = [f"{kinds[item % 4]} {item}" for item in range(32)]
    items = pl.DataFrame({"id": [f"i{item:02d}" for item in range(32)], "title": titles})
    events = pl.DataFrame(rows, schema=["user", "item", "time"], orient="row")
    return from_tables(events, items)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models of one shop, one of which writes semantic ids."""
    from tesserec.content.folder import encode_folder
    from tesserec.content.image import ImageStatistics
    from tesserec.data.format import write

    folder = tmp_path_factory.mktemp("runs")
    data, place = shop(), folder / "ease" / "data"
    write(data, place)
    media = place / "media" / "image"
    media.mkdir(parents=True)
    for item in range(32):
        colour = plain(COLOURS[item % 4], 90 + item, 120)
        (media / f"i{item:02d}.png").write_bytes(as_file(colour))
    encode_folder(place, ImageStatistics())
    learned = read(place)
    tiger = TIGER(**{**TIGER.tiny, "ids": {"kind": "RQKMeans", "levels": 2, "codes": 4}})
    for name, method in (("ease", EASE()), ("popular", Popular()), ("tiger", tiger)):
        again(method, learned, folder / name, place)
    return folder


def again(method: Any, data: Dataset, folder: Path, place: Path) -> None:
    """A run folder of this method on data that lie there already."""
    from tesserec.core import Run
    from tesserec.experiment.study import Study
    from tesserec.recommenders import save

    save(method.fit(data, Run()), folder / "model")
    Study(data=str(place), method=method).write(folder / "study.toml")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def opened(run: Path, browser: Any) -> Callable[..., Any]:
    """Opens a page of a server; on leaving, nothing may have gone wrong or elsewhere."""

    @contextmanager
    def open_page(path: str = "/", model: str = "ease", **options: Any) -> Iterator[Page]:
        limits = Limits(seconds=PATIENCE)  # machines that test are busy
        with serving(service_of(run / model if model else run, limits=limits)) as client:
            base = str(client.base_url).rstrip("/")
            with watched(browser, base, **options) as page:
                page.goto(base + path)
                yield page

    return open_page


@contextmanager
def watched(browser: Any, base: str, **options: Any) -> Iterator[Page]:
    context = browser.new_context(**{"viewport": DESK, **options})
    page, said, asked = context.new_page(), [], []
    page.set_default_timeout(1000 * PATIENCE)
    page.on("console", lambda one: one.type in LOUD and said.append(one.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    try:
        yield page
        page.wait_for_load_state("networkidle")
        assert said == []
        assert [url for url in asked if not url.startswith((base + "/", "data:"))] == []
    finally:
        context.close()


def keep(page: Page, name: str) -> None:
    """A picture for people to look at."""
    folder = os.environ.get("TESSEREC_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.wait_for_load_state("networkidle")
        shot = str(Path(folder) / f"{name}.png")
        # Hiding the caret would take an inline style, which the pages forbid.
        page.screenshot(path=shot, full_page=True, caret="initial")


def answers(page: Page) -> list[str]:
    return list(page.locator("#what .numbered .name").all_text_contents())


def test_a_history_is_edited_and_the_answer_changes(opened: Any) -> None:
    with opened() as page:
        page.get_by_label("Search people by id").type("u07")
        page.get_by_role("heading", name="1 person").wait_for()
        page.get_by_role("link", name="u07").click()
        page.get_by_role("heading", name="u07").wait_for()
        keep(page, "person")
        before = answers(page)
        assert len(before) == 10
        page.evaluate("window.stays = true")
        page.get_by_role("searchbox", name="Add an item").type("pot 0")
        page.get_by_role("button", name="Add: Tea pot 0").click()
        page.locator(".whatif").wait_for()
        after = answers(page)
        assert after != before
        assert page.locator(".mark.new").count() == len(set(after) - set(before))
        page.get_by_role("button", name=re.compile("^Not this")).first.click()
        page.get_by_role("heading", name="Not wanted").wait_for()
        assert after[0] not in answers(page)
        keep(page, "person-edited")
        assert page.evaluate("window.stays")  # the page was not loaded anew
        assert "no=" in page.url
        page.reload()
        assert after[0] not in answers(page)
        page.go_back()
        page.wait_for_url(re.compile("^(?!.*no=)"))
        page.get_by_role("button", name="Start again").click()
        page.locator(".whatif").wait_for(state="detached")
        assert answers(page) == before


def test_the_same_works_without_scripts(opened: Any) -> None:
    with opened("/person?user=u07", java_script_enabled=False) as page:
        before = answers(page)
        page.get_by_role("searchbox", name="Add an item").fill("pot 0")
        page.get_by_role("button", name="Search").click()
        page.get_by_role("button", name="Add: Tea pot 0").click()
        page.locator(".whatif").wait_for()
        assert answers(page) != before
        page.get_by_role("button", name="Start again").click()
        page.locator(".whatif").wait_for(state="detached")
        page.get_by_role("heading", name="History").wait_for()
        assert answers(page) == before
        page.goto(page.url.split("/person")[0] + "/item?id=i00")
        page.get_by_role("link", name="Show who gets it").click()
        page.get_by_role("heading", name="Who gets").wait_for()
        assert page.get_by_text("people drawn by lot").count() == 1


def test_the_keyboard_is_enough_and_is_not_lost(opened: Any) -> None:
    with opened("/people") as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "find"
        page.keyboard.type("u03")
        page.get_by_role("heading", name="1 person").wait_for()
        assert page.evaluate("document.activeElement.id") == "find"
        for _ in range(3):  # the button, somebody new, the person found
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="u03").wait_for()
        button = page.get_by_role("button", name=re.compile("^Not this")).nth(2)
        button.focus()
        width = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
        assert width == "3px"
        first = button.get_attribute("aria-label")
        page.keyboard.press("Space")
        page.get_by_role("heading", name="Not wanted").wait_for()
        assert page.evaluate("document.activeElement.id") == "not-3"
        assert page.evaluate("document.activeElement.ariaLabel") != first
        assert "1 not wanted" in page.locator("#live").text_content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_every_page_fits_is_readable_and_named(
    opened: Any, size: dict[str, int], scheme: str
) -> None:
    paths = {
        "people": "/people",
        "somebody": "/person?user=u07&add=i00&no=i03&drop=i07&find=pot",
        "items": "/items",
        "item": "/item?id=i00",
        "ids": "/ids",
        "branch": "/ids?prefix=0",
        "models": "/models",
        "activity": "/activity",
        "data": "/data",
        "monitor": "/monitor",
    }
    wide = "wide" if size is DESK else "phone"
    with opened("/people", "tiger", viewport=size, color_scheme=scheme) as page:
        base = page.url.removesuffix("/people")
        for name, path in paths.items():
            page.goto(base + path)
            page.wait_for_load_state("networkidle")
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
            assert page.evaluate(UNNAMED) == [], name
            assert page.evaluate(PALE) == [], name
            assert page.evaluate("document.querySelectorAll('h1').length") == 1
            assert page.title().endswith("tesserec")
            keep(page, f"{name}-{wide}-{scheme}")


# Things to press or fill in that a screen reader could not name; ids that are there twice.
UNNAMED = """() => {
  const named = (one) => one.ariaLabel || one.textContent.trim() || (one.labels || []).length
    || one.type === 'hidden';
  const unnamed = [...document.querySelectorAll('a, button, input, select, summary')]
    .filter((one) => !named(one)).map((one) => one.outerHTML);
  const ids = [...document.querySelectorAll('[id]')].map((one) => one.id);
  return [...unnamed, ...ids.filter((id, place) => ids.indexOf(id) !== place)];
}"""

# Texts whose contrast is below 4.5 : 1 (WCAG 2.1, 1.4.3).
PALE = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const numbers = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (colour) => colour.slice(0, 3).map((part) => part / 255)
    .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  return [...document.querySelectorAll('main *, header *, footer *')]
    .filter((one) => [...one.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .filter((one) => one.checkVisibility() && !one.closest('svg') && !one.closest('.unseen'))
    .filter((one) => {
      const both = [light(numbers(getComputedStyle(one).color)), light(ground(one))];
      return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05) < 4.5;
    }).map((one) => one.outerHTML.slice(0, 120));
}"""


def test_pictures_are_seen(opened: Any) -> None:
    with opened("/items") as page:
        page.wait_for_load_state("networkidle")
        widths = page.evaluate("[...document.querySelectorAll('.picture')].map(p=>p.naturalWidth)")
        assert len(widths) == 24
        assert min(widths) > 60


def test_the_tree_of_ids_is_walked_and_an_item_shows_who_gets_it(opened: Any) -> None:
    with opened("/ids", "tiger") as page:
        for _ in range(3):
            page.locator(".tiles a").first.click()
        page.locator(".list .name").first.click()
        page.get_by_role("heading", name="Semantic ids").wait_for()
        page.locator("#audience").get_by_text("people drawn by lot").wait_for()
        assert re.search(r"/item\?id=i\d\d$", page.url)
        keep(page, "item")


def test_two_models_are_compared_and_one_is_activated(opened: Any) -> None:
    with opened("/models", model="") as page:
        page.get_by_role("link", name="Compare two").click()
        page.get_by_label("Person").fill("u07")
        page.get_by_role("button", name="Compare").click()
        page.locator("#sides .two").wait_for()
        assert page.locator("#sides .numbered").count() == 2
        keep(page, "compare")
        page.get_by_role("navigation", name="Pages").get_by_role("link", name="Models").click()
        button = page.get_by_role("button", name=re.compile("^Let it answer")).first
        name = button.get_attribute("aria-label").removeprefix("Let it answer: ")
        button.click()
        page.locator("footer").get_by_text(f"{name} answers").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_monitor_shows_what_has_changed(
    run: Path, browser: Any, size: dict[str, int], scheme: str
) -> None:
    place = run / "ease"
    data = read(place / "data")
    learned = Trained.of(data)
    times = {"first": int(time.time()) - 60 * DAY, "newest": int(time.time()) - 40 * DAY}
    items = learned.items.with_columns(pl.col("events") * 20)
    replace(learned, items=items, moment=time.time() - 39 * DAY, **times).save(place)
    service = service_of(place, limits=Limits(seconds=PATIENCE))
    noted(service, place)
    wide = "wide" if size is DESK else "phone"
    with serving(service) as client:
        base = str(client.base_url).rstrip("/")
        with watched(browser, base, viewport=size, color_scheme=scheme) as page:
            page.goto(base + "/people")
            parts = page.get_by_role("navigation", name="Pages")
            parts.get_by_role("link", name="Monitor").focus()
            page.keyboard.press("Enter")
            page.get_by_role("heading", name="Monitor").wait_for()
            assert page.locator("#new_items .verdict").text_content() == "act"
            assert page.locator("#popularity_index .verdict").text_content() == "act"
            assert page.locator("#age .verdict").text_content() == "watch"
            assert page.locator("#clicks .verdict").text_content() == "watch"
            assert page.locator(".lead .verdict").text_content() == "act"
            assert page.get_by_text("What to do:").count() >= 4
            assert page.locator(".cards svg").count() == 3
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
            assert page.evaluate(UNNAMED) == []
            assert page.evaluate(PALE) == []
            keep(page, f"monitor-drift-{wide}-{scheme}")


def noted(service: Service, place: Path) -> None:
    """Four weeks in which one taste takes over, new items come, and answers are clicked less."""
    draw, now = np.random.default_rng(0), time.time()
    version, events, shown = service.models.active.version.name, [], []
    for number in range(1500):
        moment = now - 27.9 * DAY * draw.uniform()
        user, late = f"u{number % 40:02d}", moment > now - 14 * DAY
        items = [f"i{one:02d}" for one in draw.permutation(8)[:6]]
        shown.append(Exposure(f"r{number}", version, user, tuple(items), moment))
        if draw.uniform() < (0.04 if late else 0.2):
            events.append(Event(f"c{number}", user, items[0], int(moment) + 60))
        item = f"new-{number % 3}" if number % 3 else f"i{4 * (number % 2):02d}"
        events.append(Event(f"e{number}", user, item, int(moment) + 90))
    service.keeper.add(events)
    service.keeper.show(shown)


def test_a_key_is_asked_for_and_forgotten(run: Path, browser: Any) -> None:
    keys = Keys.of({"read": [KEY]})
    with serving(service_of(run / "ease", keys=keys)) as client:
        base = str(client.base_url).rstrip("/")
        with watched(browser, base) as page:
            page.goto(f"{base}/person?user=u07")
            keep(page, "sign-in")
            page.get_by_label("Key").fill(KEY)
            page.keyboard.press("Enter")
            page.get_by_role("heading", name="u07").wait_for()
            assert page.evaluate("document.cookie") == ""
            page.get_by_role("button", name="Sign out").click()
            page.get_by_role("heading", name="Sign in").wait_for()
            page.goto(f"{base}/people")
            assert "/sign-in" in page.url

"""What the page costs, and what it never does while an answer comes."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.entrypoints.rest.kit import Running
from tests.web.conftest import Scripting
from tests.web.kit import Stepwise, ask, looking

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "src" / "knowhub" / "entrypoints" / "web"
SHIFTS = """
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.shifts.push(entry.value);
  }).observe({ type: "layout-shift", buffered: true });
"""


def test_the_script_is_light() -> None:
    scripts = list((BUILT / "assets").glob("*.js"))
    assert len(scripts) == 1
    assert len(gzip.compress(scripts[0].read_bytes(), 9)) < 80_000


def test_the_first_paint_waits_for_one_script_and_one_style_sheet(browser: Browser, demo: Running) -> None:
    with looking(browser, demo.url) as eyes:
        page = eyes.open()
        expect(page.locator("#question")).to_be_visible()
        before: list[str] = page.evaluate(
            """(() => {
              const paint = performance.getEntriesByName('first-contentful-paint')[0].startTime;
              return performance.getEntriesByType('resource').filter(one => one.startTime < paint)
                .map(one => new URL(one.name).pathname).filter(path => !path.startsWith('/api'));
            })()"""
        )
        kinds = sorted(path.rsplit(".", 1)[-1] for path in before if not path.endswith("icon.svg"))
        assert kinds == ["css", "js"]


def test_nothing_moves_while_an_answer_streams(scripted: Scripting) -> None:
    sentences = [
        f"Sentence {n} says a little more than the one before it did, at some length [1].\n\n" for n in range(40)
    ]
    script = Stepwise(sentences)
    _, page = scripted(script)
    page.context.add_init_script(SHIFTS)
    page.reload()
    turn = ask(page, "What is written down?")
    script.let()
    expect(turn).to_contain_text("Sentence 0 says")
    page.evaluate("window.shifts = []")  # what the key itself moved is what was asked for
    for n in range(1, len(sentences)):
        script.let()
        expect(turn).to_contain_text(f"Sentence {n} says")
    script.free()
    expect(turn).to_have_attribute("aria-busy", "false")
    expect(turn.get_by_role("button", name="Copy")).to_be_attached()
    assert sum(page.evaluate("window.shifts")) == 0


def test_the_page_stays_where_the_reader_is_while_an_answer_streams(scripted: Scripting) -> None:
    script = Stepwise([f"Sentence {n} says a little more [1].\n\n" for n in range(60)])
    _, page = scripted(script)
    turn = ask(page, "What is written down?")
    script.let(50)
    expect(turn).to_contain_text("Sentence 49 says")
    scroller = page.locator(".scroller")
    scroller.evaluate("one => one.scrollTo(0, 200)")
    script.free()
    expect(turn).to_have_attribute("aria-busy", "false")
    assert scroller.evaluate("one => one.scrollTop") == 200


def test_the_built_page_holds_no_inline_code_and_no_address_elsewhere() -> None:
    html = (BUILT / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", html)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', html)


def test_the_lock_file_names_exact_versions_and_no_place_to_load_from() -> None:
    lock = (ROOT / "web" / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
    wanted = json.loads((ROOT / "web" / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())

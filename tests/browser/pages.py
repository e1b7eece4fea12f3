"""The pages of the built book: where they are, how one is opened, and what is asked of it."""

import os
import re
from pathlib import Path

from tests.helpers import ROOT

HTML = Path(os.environ.get("DPHR_BOOK_HTML", ROOT / "book" / "_build" / "html"))
SCREENSHOTS = Path(os.environ.get("DPHR_SCREENSHOTS", HTML.parent / "screenshots"))
OUR_HOST = "127.0.0.1"
NOT_PAGES = ("_static", "_sources", "_images")
NAMES = sorted(
    path.relative_to(HTML).as_posix()
    for path in HTML.rglob("*.html")
    if path.relative_to(HTML).parts[0] not in NOT_PAGES
    and 'http-equiv="refresh"' not in path.read_text("utf-8")[:400]  # an old address leads on
) or ["no built book"]


class Opened:
    """A page in the browser, and what it complained about and asked other hosts for."""

    def __init__(self, context, name: str, url: str):
        self.name, self.page = name, context.new_page()
        self.faults: list[str] = []
        self.other_hosts: list[str] = []
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("response", self._on_response)
        self.page.on("request", self._on_request)
        self.page.goto(url)
        self.page.evaluate("() => window.MathJax?.startup?.promise")
        # colours are asked for at once after a change of theme
        self.page.add_style_tag(content="* { transition: none !important; }")

    def _on_console(self, message) -> None:
        if message.type == "error":
            self.faults.append(f"{message.text} ({message.location.get('url')})")

    def _on_response(self, response) -> None:
        if response.status >= 400:
            self.faults.append(f"status {response.status}: {response.url}")

    def _on_request(self, request) -> None:
        if not request.url.startswith(("data:", "blob:", "file:", f"http://{OUR_HOST}:")):
            self.other_hosts.append(request.url)


# Text that a reader would see as TeX: outside of code, scripts and typeset formulas.
RAW_TEX = r"""() => {
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  while (walk.nextNode()) {
    const near = walk.currentNode.parentElement;
    if (near.closest("pre, code, script, style, mjx-container")) continue;
    const text = walk.currentNode.textContent;
    if (/\\\(|\\\[|\$\$|\\begin\{|\\frac|\$\\[a-z]+/.test(text)) found.push(text.trim());
  }
  return found;
}"""

# Text that a reader would see as Markdown: a table's rule, a role, stars of emphasis.
RAW_MARKDOWN = r"""() => [...document.querySelectorAll("main p, main li")]
  .map(text => [...text.childNodes].filter(n => n.nodeType == Node.TEXT_NODE)
    .map(n => n.textContent).join(" "))
  .filter(text => /\|\s*[-—–]+\s*\|/.test(text) || /\{[a-z:]+\}$|\{[a-z:]+\}`|\*\*/.test(text))"""

FORMULAS = """() => [
  document.querySelectorAll(".math, mjx-container").length,
  document.querySelectorAll("mjx-container").length,
  [...document.querySelectorAll(".math")].filter(m => !m.querySelector("mjx-container")).length,
  document.querySelectorAll("mjx-merror, [data-mjx-error]").length,
]"""

PICTURES = """async () => {
  const pictures = [...document.querySelectorAll("article img, main img")];
  pictures.forEach(picture => picture.loading = "eager");
  await Promise.allSettled(pictures.map(picture => picture.decode()));
  return [...new Set(pictures)].map(picture => ({
    src: picture.src.slice(0, 80), alt: picture.alt, width: picture.naturalWidth,
  }));
}"""

# Everything collapsed, opened by its own handle: [what it is, its height before, and after].
OPEN_ALL = """async () => {
  const handles = [
    ...document.querySelectorAll("article details > summary"),
    ...document.querySelectorAll("article .admonition.dropdown > button.toggle-button"),
    ...document.querySelectorAll("article .admonition.dropdown .admonition-title button"),
  ].filter(handle => !handle.closest("details[open]"));
  const opened = [];
  for (const handle of new Set(handles)) {
    const box = handle.closest("details, .admonition");
    const before = box.getBoundingClientRect().height;
    handle.click();
    await new Promise(requestAnimationFrame);
    opened.push([handle.innerText.slice(0, 60), before, box.getBoundingClientRect().height]);
  }
  return opened;
}"""
COLLAPSED = "article details, article .admonition.dropdown"

# What sticks out sideways where the page scrolls: the widest elements that nothing clips.
STICKING_OUT = """() => {
  const width = document.documentElement.clientWidth;
  if (document.scrollingElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll("main *")]
    .filter(element => element.getBoundingClientRect().right > width + 1)
    .map(element => element.outerHTML.slice(0, 120)).slice(-5)
    .concat(`page ${document.scrollingElement.scrollWidth} wide, window ${width}`);
}"""

# The theme's stylesheet is at work: the side bar stands beside the text.
STYLED = """() => {
  const [bar, text] = [".bd-sidebar-primary", "main"].map(
    name => document.querySelector(name).getBoundingClientRect());
  return bar.right <= text.left + 1 && text.width > 0;
}"""


def formulas_are_typeset(page) -> int:
    """Assert that no TeX is left raw; returns the number of formulas."""
    assert page.evaluate(RAW_TEX) == []
    _, typeset, untouched, errors = page.evaluate(FORMULAS)
    assert (untouched, errors) == (0, 0)
    return typeset


def pictures_load(page) -> int:
    """Assert that all pictures have loaded and say what they show; returns their number."""
    pictures = page.evaluate(PICTURES)
    assert [each for each in pictures if not each["width"] > 0] == []
    # a path stands in for what no one has described
    assert [each for each in pictures if not re.search(r"\w \w", each["alt"])] == []
    return len(pictures)

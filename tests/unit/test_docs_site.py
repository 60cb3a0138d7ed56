"""The documentation as a site: it builds strictly, is whole, and loads nothing from elsewhere."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ntplab.cli import docs
from ntplab.errors import DocsError, LabError

PAGES = [page for page in docs.SOURCES.rglob("*.md") if "slides" not in page.parts]
LOADING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "srcset"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All pages, built as the verb builds them."""
    target = tmp_path_factory.mktemp("docs") / "site"
    docs.docs(target)
    return target


class Loads(HTMLParser):
    """What a page makes a browser fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag in LOADING and named.get("rel") not in ("index", "search", "next", "prev"):
            self.fetched.append(named.get(LOADING[tag]) or "")


def test_every_page_is_in_it_and_can_be_found(site: Path) -> None:
    made = {path.relative_to(site).with_suffix("") for path in site.rglob("*.html")}
    wanted = {page.relative_to(docs.SOURCES).with_suffix("") for page in PAGES}
    assert wanted - {Path("README")} <= made
    first = (site / "index.html").read_text()
    for page in wanted - {Path("README"), Path("index")}:
        assert f'href="{page}.html' in first, f"{page} is in no table of contents"


def test_it_loads_nothing_that_is_not_in_it(site: Path) -> None:
    fetched = 0
    for page in site.rglob("*.html"):
        for target in Loads(page.read_text()).fetched:
            if target:
                fetched += 1
                assert (page.parent / target.partition("?")[0]).exists(), f"{page}: {target}"
    assert fetched > 50
    for style in site.rglob("*.css"):
        for target in re.findall(r"url\(([^)]*)\)|@import\s+(\S+)", style.read_text()):
            assert not re.match(r"[\"']?(https?:)?//", "".join(target)), f"{style}: {target}"


def test_links_that_lead_nowhere_fail_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = tmp_path / "docs"
    small.mkdir()
    shutil.copy(docs.SOURCES / "conf.py", small)
    links = ["[a](none.md)", "[b](tutorial.md#none)", "![c](none.png)", "[d](tutorial.md#begin)"]
    (small / "index.md").write_text("\n\n".join(["# Start", *links]))
    (small / "tutorial.md").write_text("---\norphan: true\n---\n# Tutorial\n\n## Begin\n\nHere.\n")
    monkeypatch.setattr(docs, "SOURCES", small)
    with pytest.raises(DocsError) as caught:
        docs.docs(tmp_path / "site")
    told = {int(found) for line in caught.value.log_tail for found in re.findall(r"md:(\d+)", line)}
    assert told == {3, 5, 7}, caught.value.log_tail
    assert len(caught.value.log_tail) == 3


def test_without_sphinx_it_says_how_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(LabError, match="Sphinx is not in") as caught:
        docs.require_sphinx()
    assert "./ntplab docs" in caught.value.hint

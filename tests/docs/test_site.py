"""`make docs`: every page is there, every link leads somewhere, the pictures are current."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.pages import DOCS, ROOT
from tools import diagrams, docs_hooks


def build(docs: Path, site: Path) -> tuple[int, str]:
    """What `make docs` does, with other folders: the exit status, and what was said."""
    config = (ROOT / "mkdocs.yml").read_text("utf-8")
    config = config.replace("docs_dir: docs", f"docs_dir: {docs}").replace("hooks: [", f"hooks: [{ROOT}/")
    changed = site.parent / "mkdocs.yml"
    changed.write_text(config, "utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(changed), "-d", str(site)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    return done.returncode, done.stderr


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DOCS, tmp_path / "docs"))


@pytest.mark.slow
def test_the_site_has_every_page_and_asks_nothing_of_anybody(docs: Path, tmp_path: Path) -> None:
    status, said = build(docs, tmp_path / "site")
    assert status == 0, said
    made = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*.html")}
    wanted = {path.relative_to(DOCS).with_suffix(".html").as_posix() for path in DOCS.rglob("*.md")}
    assert wanted | {"functions.html", "decisions.html", "repository/ARCHITECTURE.html"} <= made
    assert (tmp_path / "site/repository/src/secpkg/sspi/operations.py").is_file()
    loaded = re.compile(r"""<(?:script|link|img)[^>]*(?:src|href)=["']https?:""")
    asking = [name for name in sorted(made) if loaded.search((tmp_path / "site" / name).read_text("utf-8"))]
    assert not asking


FAULTS = {
    "[nowhere](nowhere.md)": "nowhere.md",
    "[nowhere](../tutorial.md#nowhere)": "tutorial.md#nowhere",
    "[nowhere](../../src/nowhere.py)": "src/nowhere.py",
    "[absolute](/tutorial.html)": "/tutorial.html",
    "![nothing](../diagrams/nothing.svg)": "diagrams/nothing.svg",
}


@pytest.mark.slow
def test_what_leads_nowhere_and_what_nothing_leads_to_are_errors(docs: Path, tmp_path: Path) -> None:
    (docs / "pictures.md").rename(docs / "forgotten.md")
    with open(docs / "howto" / "operate.md", "a", encoding="utf-8") as page:
        page.write("\n".join(FAULTS) + "\n")
    status, said = build(docs, tmp_path / "site")
    assert status != 0
    warnings = [line for line in said.splitlines() if not line.startswith("INFO")]
    for named in (*FAULTS.values(), "pictures.md", "forgotten.md"):
        assert any(named in line for line in warnings), f"{named}: {said}"


@pytest.mark.slow
def test_the_pictures_are_what_the_tables_and_the_calls_are() -> None:
    assert diagrams.stale() == []


def test_a_move_that_the_table_gains_is_a_move_in_the_picture() -> None:
    before = diagrams.machine("states", {("new", "open"): "go"})
    after = diagrams.machine("states", {("new", "open"): "go", ("new", "shut"): "stop & end"})
    assert ">stop &amp; end<" in after and ">stop" not in before
    assert after.count("<rect") == before.count("<rect") + 1
    with pytest.raises(ValueError, match="circle"):
        diagrams.machine("states", {("new", "open"): "go", ("open", "new"): "back"})


def test_every_documented_function_is_on_the_page_that_is_made() -> None:
    from secpkg.contract.reference import functions

    page = docs_hooks.functions_page()
    for row in functions():
        assert f"| {row.function} |" in page
    assert "src" not in re.findall(r"`([^`/]*)/[^`]*\.py:\d+`", page)


def test_links_in_code_are_none_and_those_that_leave_docs_go_to_the_repository() -> None:
    text = "[a](x.md) `[b](y.md)` [c](https://example.org/z.md)\n```python\n[d](w.md)\n```\n![e](../src/v.py#top)\n"
    assert list(docs_hooks.links(text)) == ["x.md", "../src/v.py"]
    assert docs_hooks.in_repository("howto/page.md", "../../src/v.py") == "src/v.py"
    assert docs_hooks.in_repository("repository/ARCHITECTURE.md", "docs/index.md") == "docs/index.md"
    assert docs_hooks.in_repository("repository/examples/keyring/README.md", "../hello") == "examples/hello/README.md"
    assert docs_hooks.in_site("docs/index.md") == "index.md"
    assert docs_hooks.in_site("src/v.py") == "repository/src/v.py"


def test_the_documented_names_on_the_pages_are_documented() -> None:
    """Wherever a page says SpSomething or LsaApSomething, the reference has it."""
    from secpkg.contract.reference import functions

    known = {name for row in functions() for name in row.function.split()}
    unknown = {
        (page.name, name)
        for page in [*DOCS.glob("*.md"), *DOCS.glob("howto/*.md")]
        for name in re.findall(r"\b(?:Sp|LsaAp)[A-Z]\w+", page.read_text("utf-8"))
        if name not in known
    }
    assert not unknown

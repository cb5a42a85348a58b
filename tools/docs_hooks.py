"""What `make docs` does beside rendering `docs/` (mkdocs calls the functions ``on_…``).

Two pages are made from the code and kept nowhere: ``functions.md`` and ``decisions.md``. A link that leaves ``docs/``
must name a file of the repository: that file is taken into the site, below ``repository/``. A picture must be current.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).resolve().parents[1]
OUTSIDE: Final = "repository/"
_LINK: Final = re.compile(r"(\]\()([^)\s#:]+)((?:#[^)\s]*)?\))")
_CODE: Final = re.compile(r"^(```|~~~).*?^\1[ \t]*$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_log: Final = logging.getLogger("mkdocs.plugins.secpkg")


def functions_page() -> str:
    """Every documented function: its state, its name here, where the code is, and why where it does not work."""
    from secpkg.contract.reference import tables
    from secpkg.kit.functions import STATES, counts, function_states

    known = function_states()
    lines = [
        "# Documented functions",
        "",
        f"All {len(known)} of them, computed from the code when this page was made (`secpkg functions`). The states:",
        "",
        "| state | functions | what it means |",
        "|---|---|---|",
    ]
    lines += [f"| {state} | {counts(known)[state]} | {_MEANINGS[state]} |" for state in STATES]
    for table in tables():
        rows = [one for one in known if one.table == table]
        lines += ["", f"## {table}", "", "| function | state | Python | code | reason |", "|---|---|---|---|---|"]
        for one in rows:
            reason = one.reason.replace("|", "\\|")
            lines.append(f"| {one.function} | {one.state} | `{one.python}` | `{one.where}` | {reason} |")
    return "\n".join(lines) + "\n"


_MEANINGS: Final = {
    "working": "does what its page says, and a test fails when a stub stands in its place",
    "duty": "nothing to do in Python, and an obligation that is kept: a quota, a release that happens once",
    "error": "its page demands a failure, and it fails so",
    "undocumented": "only the header has it: answers the documented “unsupported”",
    "refused": "needs what this platform does not have, and says so with its status",
    "unsupported": "not there yet",
    "unproven": "claims to work, and its proof is not current",
}


def decisions_page() -> str:
    """The list of `docs/adr`."""
    lines = ["# Decisions", "", "Each with what lost, and what it costs.", ""]
    for path in sorted((ROOT / "docs" / "adr").glob("*.md")):
        title = path.read_text("utf-8").partition("\n")[0].lstrip("# ")
        lines.append(f"- [{title}](adr/{path.name})")
    return "\n".join(lines) + "\n"


GENERATED: Final[dict[str, Callable[[], str]]] = {"functions.md": functions_page, "decisions.md": decisions_page}


def links(text: str) -> Iterator[str]:
    """The relative links of a page, without what stands in code."""
    return (found[2] for found in _LINK.finditer(_CODE.sub("", text)))


def in_repository(page: str, link: str) -> str:
    """Which file of the repository a link of ``page`` (as the site names it) means; of a folder, its README.md."""
    here = page.removeprefix(OUTSIDE) if page.startswith(OUTSIDE) else f"docs/{page}"
    path = os.path.normpath(os.path.join(os.path.dirname(here), link))
    return f"{path}/README.md" if (ROOT / path).is_dir() else path


def in_site(path: str) -> str:
    """Where a file of the repository is in the site."""
    return path.removeprefix("docs/") if path.startswith("docs/") else OUTSIDE + path


def outside(page: str, text: str) -> Iterator[str]:
    """The files outside of ``docs/`` that a page links to, as the repository names them."""
    for link in links(text):
        path = in_repository(page, link)
        if not path.startswith("docs/") and "://" not in link:
            yield path


def on_files(files: Files, /, *, config: MkDocsConfig) -> Files:
    """Add the pages that are made, and the files that are linked to outside of ``docs/``."""
    from tools import diagrams

    for name in diagrams.stale():
        _log.warning("%s is not current: python -m tools.diagrams --write", name)
    for name, make in GENERATED.items():
        files.append(File.generated(config, name, content=make()))
    waiting = [(file.src_uri, file.content_string) for file in files.documentation_pages()]
    while waiting:
        page, text = waiting.pop()
        for path in outside(page, text):
            if files.get_file_from_path(in_site(path)) is not None:
                continue
            if not (ROOT / path).is_file():
                _log.warning("%s links to %s, which is no file of the repository", page, path)
                continue
            content = (ROOT / path).read_text("utf-8")
            files.append(File.generated(config, in_site(path), content=content))
            if path.endswith(".md"):
                waiting.append((in_site(path), content))
    return files


def on_page_markdown(markdown: str, /, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links that cross the border of ``docs/``."""
    here = page.file.src_uri

    def turned(found: re.Match[str]) -> str:
        target = in_site(in_repository(here, found[2]))
        if not here.startswith(OUTSIDE) and not target.startswith(OUTSIDE):
            return found[0]
        return found[1] + os.path.relpath(target, os.path.dirname(here) or ".") + found[3]

    parts, end = [], 0
    for code in _CODE.finditer(markdown):
        parts += [_LINK.sub(turned, markdown[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, _LINK.sub(turned, markdown[end:])])

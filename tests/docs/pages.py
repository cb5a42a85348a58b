"""Running a page of the documentation as it stands.

In the order of the page: a Python block is run in this process, in one namespace for the page. A block after
``<!-- file: NAME -->`` is written to that file, and one after ``<!-- append: NAME -->`` is added to it. A ``console``
block is a session of bash in the page's directory: what follows a ``$`` line is its output, with ``…`` for what is
different each time - a line of its own for any lines. A command must succeed, unless ``<!-- exit: N -->`` stands before
the block. A TOML block that is no file must be TOML. ``text`` is for what a program shows, and is not run.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tomllib
import types
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
_BLOCK: Final = re.compile(
    r"^(?:<!-- (?P<how>\w+): (?P<what>\S+) -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
_END: Final = "<end of a documented command>"
_TIMEOUT: Final = 100


class Block:
    """One block: its language, its text, the comment before it, and where it is."""

    def __init__(self, page: Path, found: re.Match[str]) -> None:
        self.kind, self.text = found["kind"], found["text"]
        self.how, self.what = found["how"] or "", found["what"] or ""
        self.page = page
        self.line = found.string.count("\n", 0, found.start("text")) + 1

    def __str__(self) -> str:
        return f"{self.page.name}, line {self.line}"


def blocks(page: Path) -> list[Block]:
    """The blocks of a page; a fence that is not understood is an error."""
    text = page.read_text("utf-8")
    found = [Block(page, match) for match in _BLOCK.finditer(text)]
    assert len(found) * 2 == len(re.findall(r"^\s*```", text, re.M)), f"{page}: a fence that is no block"
    return found


def needs_a_shell(page: Path) -> bool:
    """Whether a page has console sessions, which take their time."""
    return any(block.kind == "console" for block in blocks(page))


class Shell:
    """One bash, in an environment where secpkg and the examples are installed and nothing else of the user's is."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "page"
        self.directory.mkdir()
        home = directory / "home"
        (home / "run").mkdir(parents=True, mode=0o700)
        environment = directory / "environment"
        self._make(environment)
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=self.directory,
            env={
                "PATH": f"{environment / 'bin'}:{os.defpath}",
                "HOME": str(home),
                "XDG_RUNTIME_DIR": str(home / "run"),
                "LANG": "C.UTF-8",
                "COLUMNS": "160",
                "NO_COLOR": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
                "PIP_NO_INDEX": "1",
                "PIP_NO_BUILD_ISOLATION": "0",
                "PIP_DISABLE_PIP_VERSION_CHECK": "1",
                "PIP_ROOT_USER_ACTION": "ignore",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    @staticmethod
    def _make(environment: Path) -> None:
        """An environment of its own on top of this one: what a page installs is gone with it."""
        venv.EnvBuilder(symlinks=True).create(environment)
        (site,) = environment.glob("lib/python*/site-packages")
        below = [path for path in sys.path if path.endswith("site-packages")]
        (site / "below.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in below))
        for command, module in (("pip", "pip"), ("secpkg", "secpkg.cli"), ("pytest", "pytest"), ("mypy", "mypy")):
            start = f'exec "{environment}/bin/python" -m {module} "$@"\n'
            if command == "secpkg" and os.geteuid() == 0:
                # The uid nobody, which packages of root's authority run as, can read no directory of a test.
                start = f'[ "$1 $2" != "authority run" ] || set -- "$@" --worker-uid 0\n{start}'
            shim = environment / "bin" / command
            shim.write_text(f"#!/bin/sh\n{start}")
            shim.chmod(0o755)

    def run(self, command: str) -> tuple[str, int]:
        """The output of a command, both streams, and its exit status."""
        assert self._bash.stdin and self._bash.stdout
        self._bash.stdin.write(f"{command}\nprintf '\\n%s %s\\n' '{_END}' $?\n")
        self._bash.stdin.flush()
        output = ""
        for line in self._bash.stdout:
            if line.startswith(_END):
                return output[:-1], int(line.split()[-1])
            output += line
        raise AssertionError(f"the shell ended in {command!r}: {output}")

    def close(self) -> None:
        """End the shell, and what a page that went wrong left behind it."""
        assert self._bash.stdin and self._bash.stdout
        os.killpg(self._bash.pid, signal.SIGTERM)
        self._bash.stdin.close()
        self._bash.wait(_TIMEOUT)
        self._bash.stdout.close()


def session(block: Block) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with the output that the page shows."""
    command, output = "", ""
    more = False
    for line in block.text.splitlines():
        if more or line.startswith("$ "):
            if not more:
                if command:
                    yield command, output
                command, output = "", ""
            command += (line if more else line[2:]) + "\n"
            more = line.endswith("\\")
        else:
            output += line + "\n"
    if command:
        yield command, output


def fits(shown: str, output: str) -> bool:
    """Whether output is what the page shows, with ``…`` for anything."""
    pattern = ""
    for line in shown.splitlines():
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += r"[^\n]*".join(map(re.escape, line.rstrip().split("…"))) + r"[ \t]*\n"
    given = output.rstrip("\n") + "\n" if output.strip() else ""
    return re.fullmatch(pattern, given) is not None


def run(page: Path, directory: Path, module: types.ModuleType) -> None:
    """Run every block of a page."""
    shell = Shell(directory) if needs_a_shell(page) else None
    place = directory if shell is None else shell.directory
    try:
        for block in blocks(page):
            if block.how in ("file", "append"):
                target = place / block.what
                target.parent.mkdir(parents=True, exist_ok=True)
                with open(target, "w" if block.how == "file" else "a", encoding="utf-8") as file:
                    file.write(block.text)
            elif block.kind == "python":
                code = "\n" * (block.line - 1) + block.text
                exec(compile(code, str(page), "exec"), module.__dict__)
            elif block.kind == "console":
                assert shell is not None
                _console(shell, block)
            elif block.kind == "toml":
                tomllib.loads(block.text)
            else:
                assert block.kind == "text", f"{block}: nobody runs {block.kind or 'a block without a language'}"
    finally:
        if shell is not None:
            shell.close()


def _console(shell: Shell, block: Block) -> None:
    expected = int(block.what) if block.how == "exit" else 0
    for command, shown in session(block):
        output, status = shell.run(command)
        assert status == expected, f"{block}: {command}exited with {status}:\n{output}"
        assert fits(shown, output), f"{block}: {command}said\n{output}\nand not\n{shown}"

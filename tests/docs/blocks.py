"""The fenced blocks of the project's pages: what each is, run as its reader would, with what it shows compared.

A block says by its language what becomes of it, and by its title which file of the reader's it is:

- `console`: after `$ ` a command, below it what it writes to standard output. `bash`: commands alone.
- `python`: the blocks of a page are one session. `r`: each a session of its own.
- `text`: what the block above it wrote. `...` stands for anything, as in doctest.
- `title="NAME"`: the text is the file NAME; `study.yaml` is a study file or a part of one, checked by the model.

`<!-- run with: NAME -->` above a block names what it needs around it (`tests/docs/surroundings.py`).
`<!-- not run: REASON -->` says why it cannot run. `python -m tests.docs.blocks` lists these.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.conftest import CHECKOUT

_FENCE = re.compile(r"^( *)```(\w*)[ ]*(?:title=\"([^\"]+)\")?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_NOT_RUN = re.compile(r"<!-- not run: ([^>]+?) -->\s*\Z", re.DOTALL)
_RUN_WITH = re.compile(r"<!-- run with: ([^>]+?) -->\s*\Z", re.DOTALL)
_STUDY_KEYS_BESIDES = ("study", "release", "key", "centres", "features", "index")
_WITH_WORKERS = ("build", "run", "deidentify")
"""Commands that start Dask's processes: they run in a process of their own."""
_COMPARE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """One fenced block: where it stands, what it is, why it is not run (empty: it is), and what it needs around it."""

    page: Path
    line: int
    language: str
    title: str
    text: str
    not_run: str
    needs: str = ""

    @property
    def place(self) -> str:
        """Page and line, as a traceback names them."""
        return f"{self.page.relative_to(CHECKOUT)}:{self.line}"


def pages() -> list[Path]:
    """Every page of the project that a reader meets."""
    return sorted(CHECKOUT.glob("*.md")) + sorted((CHECKOUT / "docs").rglob("*.md"))


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for one in _FENCE.finditer(text):
        reason, needs = (form.search(text[: one.start()]) for form in (_NOT_RUN, _RUN_WITH))
        line = text.count("\n", 0, one.start()) + 1
        body = re.sub(rf"^{one[1]}", "", one[4], flags=re.MULTILINE) if one[1] else one[4]
        said = " ".join(reason[1].split()) if reason else ""
        found.append(Block(page, line, one[2], one[3] or "", body, said, needs[1] if needs else ""))
    return found


@dataclass
class Reader:
    """Who follows one page in a folder of their own that holds the demo.

    Attributes:
        home: That folder; every block begins there, but for `cd`.
        names: The page's Python session.
        exported: What the page exported to its commands.
        shown: What the last block wrote.
        skipped: Blocks whose program is not installed.
        background: Processes that the page started to stay; `leave` ends them.
        servers: What was started for them, which ends after them.
    """

    home: Path
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})
    exported: dict[str, str] = field(default_factory=dict)
    shown: str = ""
    skipped: list[str] = field(default_factory=list)
    background: list[subprocess.Popen[bytes]] = field(default_factory=list)
    servers: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder = self.home

    def follow(self, block: Block) -> None:
        """Do what a block says.

        Raises:
            AssertionError: If it fails, or shows anything else than the page says.
        """
        if block.not_run:
            return
        if block.needs:
            from tests.docs.surroundings import SURROUNDINGS  # heavy, and of few pages

            with SURROUNDINGS[block.needs](self, block) as placed:
                self.follow(replace(placed, needs=""))
            return
        if block.title:
            file = self.folder / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
        match block.language:
            case "bash":
                self.shown = "".join(self.command(line, block) for line in _commands(block.text))
            case "console":
                for command, wanted in _session(block.text):
                    self.shown = self.command(command, block)
                    compare(wanted, self.shown, block)
            case "python":
                self.shown = self.python(block)
            case "r":
                self.shown = self.r(block)
            case "text":
                compare(block.text, self.shown, block)
            case "yaml":
                assert block.title, f"{block.place}: say whose file this is (title=...)"
                if block.title == "study.yaml":
                    check_study(block, self.home)
            case "csv" | "tsv":
                assert block.title, f"{block.place}: say which file this is (title=...)"
            case "mermaid":
                # A picture on a generated page: tests/docs/test_generated.py compares it with what it is drawn from.
                assert block.page.name == "architecture.md", block.place
            case other:
                raise AssertionError(f"{block.place}: no language {other!r}; see {__file__}")

    def leave(self) -> None:
        """End what the page started to stay, the last first: a worker needs its server to the end."""
        for process in reversed(self.background):
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.servers.close()

    def command(self, line: str, block: Block) -> str:
        """Run one command line; return what it wrote to standard output."""
        if line.startswith("export "):
            line += " && env --null"
        words = [self._expanded(word) for word in shlex.split(line, comments=True)]
        if words[0] == "cd":
            self.folder = (self.folder / words[1]).resolve()
            return ""
        if words[0] == "unibase" and words[1] not in _WITH_WORKERS:
            return self.unibase(words, block)
        if words[:1] == ["make"]:
            # What the session's demo was made by; the recipe is compared with it, not run once more.
            words = ["make", "-C", str(CHECKOUT), "--dry-run", "--no-print-directory", *words[1:]]
            line = shlex.join(words)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        ended = subprocess.run(
            ["bash", "-euc", line],
            cwd=self.folder,
            env={**os.environ, **self.exported, "PATH": path, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, f"{block.place}: {line}\n{ended.stdout[-2000:]}\n{ended.stderr[-2000:]}"
        if words[0] == "export":
            known = dict(one.split("=", 1) for one in ended.stdout.split("\0") if "=" in one)
            self.exported |= {name: known[name] for name in re.findall(r"(\w+)=", line) if name in known}
            return ""
        return ended.stdout

    def _expanded(self, word: str) -> str:
        return re.sub(r"\$(\w+)", lambda name: self.exported.get(name[1], name[0]), word)

    def unibase(self, words: list[str], block: Block) -> str:
        """Run a command of ours in this process: its imports cost more than its work."""
        from unibase.flows.cli.main import main  # heavy: all of Prefect's and Dask's surroundings

        out, err = io.StringIO(), io.StringIO()
        arguments, sys.argv = sys.argv, words
        code: Any = 0
        try:
            with contextlib.chdir(self.folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                main()
        except SystemExit as end:
            code = end.code
        finally:
            sys.argv = arguments
        assert not code, f"{block.place}: {shlex.join(words)}\n{err.getvalue()[-2000:]}"
        return out.getvalue()

    def python(self, block: Block) -> str:
        """Run a block in the session of its page."""
        out = io.StringIO()
        # Pages show what a release holds: nothing that Python would keep beside an imported script.
        kept, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        try:
            with contextlib.chdir(self.folder), contextlib.redirect_stdout(out):
                exec(compile("\n" * block.line + block.text, str(block.page), "exec"), self.names)
        finally:
            sys.dont_write_bytecode = kept
        return out.getvalue()

    def r(self, block: Block) -> str:
        """Run a block by Rscript, where R is."""
        if shutil.which("Rscript") is None:
            self.skipped.append(f"{block.place}: R is not installed")
            return ""
        ended = subprocess.run(
            ["Rscript", "--vanilla", "-e", f"options(width = 120)\n{block.text}"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, f"{block.place}:\n{ended.stderr[-2000:]}"
        return ended.stdout


def _commands(text: str) -> list[str]:
    joined = text.replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _session(text: str) -> list[tuple[str, str]]:
    """Commands of a console block, each with what is shown below it."""
    found: list[tuple[str, str]] = []
    for line in text.replace("\\\n", " ").splitlines(keepends=True):
        if line.startswith("$ "):
            found.append((line[2:].strip(), ""))
        else:
            assert found, f"a console block begins with its command: {line}"
            found[-1] = (found[-1][0], found[-1][1] + line)
    return found


def compare(wanted: str, got: str, block: Block) -> None:
    """Compare what a page shows with what came out."""
    checker = doctest.OutputChecker()
    example = doctest.Example(source="", want=wanted)
    same = checker.check_output(wanted, got, _COMPARE)
    assert same, f"{block.place}\n{checker.output_difference(example, got, _COMPARE)}"


def check_study(block: Block, home: Path) -> None:
    """Check a study file, or a part of one put into the demo's place of its keys, by the model that checks them all."""
    from unibase.flows.study.validation import read_study  # heavy, as above

    written = YAML(typ="safe").load(block.text)
    least = YAML(typ="safe").load((home / "demo" / "study.yaml").read_text(encoding="utf-8"))
    whole = {name: least[name] for name in _STUDY_KEYS_BESIDES} | written
    path = home / "whole-study.yaml"
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(whole, file)
    read_study(path)


def main() -> None:
    """List what is not run, and why."""
    found = [block for page in pages() for block in blocks_of(page)]
    left = [block for block in found if block.not_run]
    print(f"{len(found)} fenced blocks on {len(pages())} pages: {len(found) - len(left)} run, {len(left)} not.")
    for block in left:
        print(f"  {block.place}: {block.not_run}")


if __name__ == "__main__":
    main()

"""Run the notebook of this folder on a release and keep what it says: `python examples/training/execute.py RELEASE`.

It needs PyTorch (`uv sync --group training`) and no Jupyter. The digest of the code is kept with its outputs: where one
changes without the other, a test tells.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import sys
from pathlib import Path

NOTEBOOK = Path(__file__).with_name("survival_on_patches.ipynb")


def code_cells(notebook: Path = NOTEBOOK) -> list[str]:
    """Return the code of a notebook, cell by cell."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def digest(cells: list[str]) -> str:
    """Return the SHA-256 of code."""
    return hashlib.sha256("\0".join(cells).encode()).hexdigest()


def said_by(cells: list[str], names: dict[str, object]) -> list[str]:
    """Run code cell by cell; return what each printed. `names` keeps what was defined."""
    texts = []
    for number, cell in enumerate(cells, 1):
        with contextlib.redirect_stdout(io.StringIO()) as stream:
            exec(compile(cell, f"cell {number}", "exec"), names)
        texts.append(stream.getvalue())
    return texts


def main(release: str) -> None:
    """Run the notebook on a release and write its outputs into it."""
    os.environ["UNIBASE_RELEASE"] = release
    cells = code_cells()
    texts = said_by(cells, {"__name__": "__main__"})
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    content["metadata"]["code_sha256"] = digest(cells)
    for number, cell in enumerate(one for one in content["cells"] if one["cell_type"] == "code"):
        output = {"name": "stdout", "output_type": "stream", "text": texts[number].splitlines(keepends=True)}
        cell |= {"execution_count": number + 1, "outputs": [output] if texts[number] else []}
    NOTEBOOK.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])

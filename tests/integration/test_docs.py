"""What the documentation shows is run: Python blocks, and lines that begin with `$ tesserec`."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import polars as pl
import pytest

ROOT = Path(__file__).parent.parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "docs" / "tutorials" / "first-model.md",
    ROOT / "docs" / "tutorials" / "own-data.md",
    ROOT / "docs" / "tutorials" / "pictures.md",
    ROOT / "docs" / "how-to" / "use-content.md",
    ROOT / "docs" / "how-to" / "make-semantic-ids.md",
    ROOT / "docs" / "how-to" / "run-a-study.md",
    ROOT / "docs" / "how-to" / "split-and-ask.md",
    ROOT / "docs" / "how-to" / "measure-cold-start.md",
    ROOT / "docs" / "how-to" / "learn-what-comes-next.md",
    ROOT / "docs" / "how-to" / "compose.md",
    ROOT / "docs" / "how-to" / "serve-it.md",
    ROOT / "docs" / "how-to" / "add-a-method.md",
]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs_from_top_to_bottom(page: Path, tesserec, capfd) -> None:
    """Blocks of a page share their variables and their folder; files are shown with a name."""
    names: dict[str, object] = {"__name__": "__main__"}
    try:
        assert _run(page, names, tesserec)
    finally:
        for one in names.values():
            if isinstance(one, subprocess.Popen):  # a page that fails does not leave a server
                one.kill()
                one.wait()


def _run(page: Path, names: dict[str, object], tesserec: Any) -> int:
    """How many blocks and lines of a page were run."""
    ran = 0
    for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        shown = re.match(r"# ([\w./-]+\.(?:toml|csv))\n", text)
        if kind in ("toml", "csv") and shown:
            Path(shown[1]).write_text(text if kind == "toml" else text.split("\n", 1)[1])
        elif kind == "python":
            exec(compile(text, str(page), "exec"), names)
            ran += 1
        elif kind == "console":
            for line in re.findall(r"^\$ tesserec (.*)$", text, re.MULTILINE):
                said = tesserec(line)
                assert said.code == 0, f"tesserec {line}: {said.err}"
                ran += 1
    return ran


def test_the_commands_of_the_readme_do_what_they_say(tesserec, shop: Path) -> None:
    """From the two ways to bring data to the export, in the README's order and words."""
    mine = shop.rename(shop.with_name("my-shop"))
    bought = pl.read_csv(mine / "interactions.csv")
    user = bought.columns[0]
    bought = bought.with_columns(pl.col(user).replace(bought[user][0], "ann"))
    bought.write_csv(mine / "interactions.csv")
    bought.write_csv("purchases.csv")
    items = pl.read_csv(mine / "items.csv")
    items[:1].with_columns(pl.lit("new").alias(items.columns[0])).write_csv("new.csv")
    text = re.sub(r"\\\n\s+", "", (ROOT / "README.md").read_text(encoding="utf-8"))
    blocks = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^tesserec (.*?) *(?:#.*)?$", "".join(blocks), re.MULTILINE)
    assert len(lines) > 12
    for line in lines:
        if line.startswith("serve"):
            continue  # it would not end; docs/how-to/serve-it.md is run with its server
        again = [line]
        if line.startswith("data import my-shop"):  # the other way, with the same model
            for folder in ("shop", "runs/knn"):
                shutil.rmtree(folder)
            again.append(next(one for one in lines if one.startswith("fit")))
        for one in again:
            said = tesserec(one)
            assert said.code == 0, f"tesserec {one}: {said.err}"


def test_every_relative_link_leads_somewhere() -> None:
    notes = ROOT / "docs" / "methods" / "notes"  # parts of the pages one folder up
    pages = (page for page in (ROOT / "docs").rglob("*.md") if page.parent != notes)
    for page in [ROOT / "README.md", *pages]:
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not link.startswith(("http", "mailto")):
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_generated_pages_are_up_to_date() -> None:
    import runpy
    import sys

    sys.path.insert(0, str(ROOT / "scripts"))
    made = runpy.run_path(str(ROOT / "scripts" / "make_docs.py"))
    assert made["main"](check=True) == 0, "run: make docs"

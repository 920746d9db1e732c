"""A command line in this process, a small shop in files, and a server of a module's `run`."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tesserec.cli.app import run as run_command
from tesserec.serve.service import Service
from toys.serving import service_of, serving


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object that `--json` promises on the last line."""
        return json.loads(self.out.strip().splitlines()[-1])


Tesserec = Callable[..., Said]


@pytest.fixture
def tesserec(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Tesserec:
    """Run a command line in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def command(line: str, *more: str) -> Said:
        capfd.readouterr()
        arguments = [*line.split(), *more]
        monkeypatch.setattr(sys, "argv", ["tesserec", *arguments])  # which runs note
        code = run_command(arguments)
        out, err = capfd.readouterr()
        return Said(code, out, err)

    return command


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Events of 30 people over 12 products of two tastes, and a table of products with titles."""
    lines = ["customer_id,product_id,timestamp,rating"]
    for person in range(30):
        for step in range(5):
            product = (2 * ((person + step) % 6)) + person % 2
            lines.append(f"c{person:02d},p{product:02d},2024-01-{step * 5 + 1:02d},{step + 1}")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "interactions.csv").write_text("\n".join(lines) + "\n")
    titles = ["id,title,price"]
    for product in range(12):
        word = "garden hose" if product % 2 else "tea mug"
        titles.append(f"p{product:02d},{word} number {product},{product + 0.5}")
    (tmp_path / "shop" / "items.csv").write_text("\n".join(titles) + "\n")
    return tmp_path / "shop"


@pytest.fixture
def service(run: Path) -> Service:
    return service_of(run)


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    with serving(service) as one:
        yield one

"""Receipt: what was removed, and how it was verified; without the name of who was forgotten."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from tesserec.core.files import write_json, write_text

What = Literal["user", "item", "event"]
FOLDER = "forgotten"  # where the receipts of a run lie


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    what: str
    holds: bool


@dataclass(frozen=True)
class Receipt:
    """What happened to one user, item or event."""

    what: What
    digest: str  # SHA-256 of the id: who has the id can match it, and nobody can read it
    how: str  # the forgetter
    moment: str  # UTC
    removed: dict[str, int]  # what -> how many
    checks: tuple[Check, ...]
    weights: dict[str, int]  # how many tensors there are, and how many changed
    # By "before", "after" and, where one was fitted to compare with, "retrained", a model that
    # never saw them; None where there is nothing to compare. See `told_apart` and `of_user`.
    inference: Mapping[str, float] | None
    guessed: Mapping[str, Mapping[str, float]] | None = None
    limits: tuple[str, ...] = ()  # what may be left of them
    valid: Mapping[str, float] = field(default_factory=dict)  # the watched metric, before and after

    @property
    def holds(self) -> bool:
        """Whether every check does."""
        return all(check.holds for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "holds": self.holds}

    def text(self) -> str:
        """As a person reads it."""
        removed = ", ".join(f"{count:,} {name}" for name, count in self.removed.items())
        lines = [
            f"Forgotten at {self.moment}: the {self.what} of SHA-256 {self.digest[:16]}...",
            f"Removed: {removed}. The model: {self.how}.",
            *(f"{'verified' if one.holds else 'NOT SO'}: {one.what}" for one in self.checks),
            f"Of {self.weights['tensors']} tables of weights {self.weights['changed']} changed.",
        ]
        if self.inference is not None:
            lines.append(
                f"Without a history, the model puts what they chose above what they did not with "
                f"chance {_said(self.inference)} (0.50 is guessing, and what everybody likes is "
                "more)."
            )
        if self.guessed is not None:
            hits = {name: one["hit@10"] for name, one in self.guessed.items()}
            given = "the rest of what they chose" if self.what == "event" else "what came before"
            lines.append(
                f"Asked with {given}, the model puts what is forgotten among its "
                f"first 10, of it and up to 500 other items, with chance {_said(hits)}."
            )
        if "after" in self.valid:
            lines.append(
                f"How well it answers those who stay: {self.valid['before']:.4f} before and "
                f"{self.valid['after']:.4f} after (validation)."
            )
        lines += [f"What may be left: {one}." for one in self.limits]
        return "\n".join(lines)

    def save(self, run: Path) -> Path:
        """Write it beside those from before, as JSON and as text; returns the JSON's path."""
        folder = run / FOLDER
        number = len(list(folder.glob("*.json"))) + 1
        write_json(folder / f"{number}.json", self.to_dict())
        write_text(folder / f"{number}.txt", self.text() + "\n")
        return folder / f"{number}.json"


def _said(chances: Mapping[str, float]) -> str:
    said = f"{chances['before']:.2f} before and {chances['after']:.2f} after"
    if "retrained" in chances:
        said += f", where a model fitted without them has {chances['retrained']:.2f}"
    return said


def digest_of(id: str) -> str:
    """What a receipt calls somebody."""
    return hashlib.sha256(id.encode()).hexdigest()

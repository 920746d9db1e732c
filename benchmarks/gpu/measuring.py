"""One case, from its data to its figures; what was begun goes on, what is done is read."""

import json
import platform
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.cases import METRICS, Case
from benchmarks.harness import say
from tesserec.core import Run
from tesserec.core.files import write_json
from tesserec.core.run import Precision
from tesserec.evaluation import evaluate
from tesserec.experiment.environment import peak_memory
from tesserec.recommenders import save
from tesserec.training import Learner
from tesserec.training.log import NAME, read_log

RESULT = "result.json"
MINUTES = 2.0  # between checkpoints: at most this much work is lost

Found = dict[str, Any]


def measured(
    case: Case, root: Path | None, out: Path, device: torch.device, precision: Precision, seed: int
) -> Found:
    """Fit, evaluate, and write `result.json` into the case's folder; or read it from there."""
    folder, method, split = out / case.name, case.method(), case.split(root)
    key = method.key(split.train.fingerprint, str(seed), str(device), precision)
    known = _known(folder, key)
    if known is not None:
        say(f"  {case.name}: done before")
        return known
    write_json(folder / "begun.json", {"key": key})
    forget_peak(device)
    run = Run(
        seed=seed,
        folder=folder,
        valid=split.valid,
        device=str(device),
        precision=precision,
        resume=True,
        checkpoint_minutes=MINUTES,
        progress=Lines(),
    )
    began = time.perf_counter()
    model = method.fit(split.train, run)
    since = time.perf_counter() - began
    save(model, folder / "model")
    report = evaluate(model, split.test, METRICS)
    found: Found = {
        "key": key,
        "case": case.name,
        "method": method.to_dict(),
        "data": split.train.name,
        "fingerprint": split.train.fingerprint,
        "seed": seed,
        "device": called(device),
        "torch": torch.__version__,
        "precision": precision,
        "seconds": {**spent(folder), "since_last_start": since, "test": report.seconds},
        "memory_mb": {"device": peak(device), "host": peak_memory() / 2**20},
        "curve": curve(folder, method),
        "requests": report.requests,
        "test": {name: value.to_dict() for name, value in report.metrics.items()},
        "published": dict(case.published),
    }
    write_json(folder / RESULT, found)
    return found


def all_found(out: Path) -> list[Found]:
    """Of all cases that are done, those of other commands included."""
    return [json.loads(path.read_text()) for path in sorted(out.glob(f"*/{RESULT}"))]


def _known(folder: Path, key: str) -> Found | None:
    """What was found before. Exits where the folder is another case's."""
    for name in (RESULT, "begun.json"):
        path = folder / name
        if path.is_file():
            kept: Found = json.loads(path.read_text())
            if kept["key"] != key:
                raise SystemExit(
                    f"{folder} holds this case with other settings, data, device or seed. "
                    "Name another --out."
                )
            return kept if name == RESULT else None
    return None


def spent(folder: Path) -> dict[str, float]:
    """Seconds of passes and of validations, and of the stages before (ids, graph encoders)."""
    seconds = {"learning": 0.0, "validation": 0.0, "stages": 0.0}
    for log in sorted(folder.rglob(NAME)):
        for event in read_log(log.parent):
            if log.parent != folder:
                seconds["stages"] += event.get("seconds", 0.0)
            elif event["event"] in ("epoch", "validation"):
                part = "learning" if event["event"] == "epoch" else "validation"
                seconds[part] += event["seconds"]
    return seconds


def curve(folder: Path, method: Learner) -> list[dict[str, float]]:
    """What validated after which pass, and the seconds of learning until then."""
    points, learned = [], 0.0
    metric = method.recipe()[1].metric
    for event in read_log(folder):
        if event["event"] == "epoch":
            learned += event["seconds"]
        elif event["event"] == "validation":
            points.append({"epoch": event["epoch"], "seconds": learned, metric: event[metric]})
    return points


def called(device: torch.device) -> str:
    """The device, by the name its maker gave it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}: {platform.processor() or platform.machine()}"


def forget_peak(device: torch.device) -> None:
    """Memory is counted from here on."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak(device: torch.device) -> float | None:
    """Megabytes the device held at most; None where it does not tell."""
    if device.type != "cuda":
        return None
    return torch.cuda.max_memory_allocated(device) / 2**20


class Lines:
    """A line now and then, for a log that people look at."""

    def __init__(self, every: float = 30.0) -> None:
        self.every, self.said = every, time.monotonic()
        self.job, self.total, self.done = "", 0, 0

    def start(self, job: str, total: int | None) -> None:
        self.job, self.total, self.done = job, total or 0, 0

    def advance(self, done: int, facts: Any) -> None:
        self.done += done
        if time.monotonic() - self.said >= self.every:
            self.said = time.monotonic()
            told = ", ".join(
                f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                for name, value in facts.items()
            )
            self.say(f"{self.job}: {self.done} of {self.total}, {told}")

    def say(self, line: str) -> None:
        say(f"  {line}")

    def finish(self) -> None: ...

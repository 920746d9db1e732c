"""Doctor: is this installation whole, and what would make it better?"""

import importlib.util
import os
import platform
from typing import Any

from tesserec.experiment.environment import PACKAGES, installed

EXTRAS = {
    "text": ("transformers", "learned encoders: tesserec encode --encoder MODEL"),
    "image": ("PIL", "encoding pictures"),
    "audio": ("soundfile", "encoding sounds"),
    "video": ("av", "encoding clips"),
    "tensorboard": ("tensorboard", "event files of runs for TensorBoard"),
    "tune": ("optuna", "TPE for `tesserec tune --sampler tpe`"),
    "serve": ("fastapi", "answers over HTTP: tesserec serve"),
    "postgres": ("psycopg", "events in PostgreSQL: tesserec serve --database postgresql://..."),
    "index": ("faiss", "fewer comparisons among many items: FaissIVF and its kin"),
    "export": ("onnx", "tesserec export --format onnx"),
}


def examine() -> dict[str, Any]:
    """Checks with what was found and what to do; healthy when nothing needed is missing."""
    checks = [_python(), *map(_package, PACKAGES), _threads(), _device(), _kernels()]
    checks += [_extra(name, *rest) for name, rest in EXTRAS.items()]
    return {"healthy": all(check["ok"] for check in checks), "checks": checks}


def _check(name: str, found: str, ok: bool = True, advice: str = "") -> dict[str, Any]:
    return {"name": name, "found": found, "ok": ok, "advice": advice}


def _python() -> dict[str, Any]:
    version = platform.python_version_tuple()
    ok = ("3", "11") <= (version[0], version[1]) <= ("3", "13")
    advice = "" if ok else "Use Python 3.11, 3.12 or 3.13."
    return _check("python", platform.python_version(), ok, advice)


def _package(name: str) -> dict[str, Any]:
    found = installed(name)
    ok = found is not None
    return _check(name, found or "missing", ok, "" if ok else f"pip install {name}")


def _threads() -> dict[str, Any]:
    import torch

    waits = os.environ.get("OMP_WAIT_POLICY", "unset")
    advice = ""
    if waits.upper() != "PASSIVE":
        advice = "OMP_WAIT_POLICY=PASSIVE is faster on machines with few processors."
    spins = os.environ.get("GOMP_SPINCOUNT", "unset")
    found = (
        f"{torch.get_num_threads()} of {os.cpu_count()}, "
        f"OMP_WAIT_POLICY {waits}, GOMP_SPINCOUNT {spins}"
    )
    return _check("threads", found, advice=advice)


def _device() -> dict[str, Any]:
    import torch

    if torch.cuda.is_available():
        return _check("device", f"cuda: {torch.cuda.get_device_name(0)}")
    if torch.backends.mps.is_available():
        return _check("device", "mps")
    return _check("device", "cpu", advice="A GPU is not needed; torch sees none.")


def _kernels() -> dict[str, Any]:
    """Whether a compiled kernel runs and gives what it should."""
    import torch

    from tesserec.core import Ragged
    from tesserec.parts.negatives import uniform

    drawn = uniform(Ragged.of([[0, 2]]), torch.zeros(8).long(), 1, 4, torch.Generator())
    ok = set(drawn.flatten().tolist()) <= {1, 3}
    return _check(
        "kernels", "compiled and right" if ok else "wrong", ok, "" if ok else "pip install -U numba"
    )


def _extra(name: str, package: str, purpose: str) -> dict[str, Any]:
    there = importlib.util.find_spec(package) is not None
    found = installed(package) or "there" if there else "not installed"
    advice = "" if there else f"For {purpose}: pip install 'tesserec[{name}]'"
    return _check(f"extra {name}", found, advice=advice)

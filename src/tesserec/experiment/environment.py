"""What a run ran on: versions, processors, memory."""

import os
import platform
import resource
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("tesserec", "torch", "numpy", "scipy", "scikit-learn", "polars", "numba", "pydantic")


def environment() -> dict[str, Any]:
    """Versions and hardware, for `environment.json`."""
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: installed(name) for name in PACKAGES},
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": gpus,
        "command": sys.argv,
    }


def installed(package: str) -> str | None:
    """The version of a package, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def peak_memory() -> int:
    """The most bytes this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

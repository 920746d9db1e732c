"""Papers' sizes on a GPU: `python -m benchmarks.gpu.run [--only NAME] [--quick] [--cpu]`.

TIGER with SASRec beside it on three shops of Amazon, and MMGRec with its graph encoder on two sets
with contents. Each case is learned with early stopping on validation, and its test part is opened
once. The same command goes on where it was interrupted.
"""

import tesserec  # isort: skip  (before torch: it says how idle threads wait)

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.gpu.cases import chosen
from benchmarks.gpu.measuring import Found, all_found, called, measured
from benchmarks.harness import Skipped, say
from tesserec.core.files import write_json
from tesserec.training.devices import best_device

WRONG_USE = 2  # as of the command line


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all that was asked for is measured, 1 when data are missing, 2 without a GPU."""
    said = _read(arguments)
    device = torch.device("cpu") if said.cpu else best_device("auto")
    if device.type == "cpu" and not said.cpu:
        say(
            f"There is no GPU that torch {torch.__version__} can use (built for CUDA "
            f"{torch.version.cuda or 'none'}). These are runs of hours on a GPU; to begin them on "
            "a processor all the same, say --cpu."
        )
        return WRONG_USE
    say(f"{tesserec.__name__} on {called(device)}, torch {torch.__version__}")
    root = Path(said.data) if said.data else None
    skipped = []
    for case in chosen(tuple(said.only), said.quick):
        say(case.name)
        try:
            one = measured(case, root, said.out, device, said.precision, said.seed)
        except Skipped as reason:
            say(f"  skipped: {reason}")
            skipped.append(case.name)
            continue
        _show(one)
        write_json(said.out / "results.json", all_found(said.out))
    print(json.dumps({"out": str(said.out), "skipped": skipped, "results": all_found(said.out)}))
    return 1 if skipped else 0


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train and evaluate papers' sizes on a GPU.")
    parser.add_argument("--only", action="append", default=[], help="a case, or how some begin")
    parser.add_argument("--quick", action="store_true", help="tiny networks in toy worlds")
    parser.add_argument("--cpu", action="store_true", help="on the processor, for hours")
    parser.add_argument("--data", default=os.environ.get("TESSEREC_DATA"))
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"))
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def _show(found: Found) -> None:
    """The figures, those of the paper in brackets, and what they cost."""
    told = []
    for name, value in found["test"].items():
        beside = found["published"].get(name)
        told.append(f"{name} {value['value']:.4f}" + (f" ({beside:.4f})" if beside else ""))
    seconds, memory = found["seconds"], found["memory_mb"]
    held = memory["device"] if memory["device"] is not None else memory["host"]
    say("  " + ", ".join(told))
    say(
        f"  {seconds['learning']:.0f} s of learning, {seconds['validation']:.0f} of validation, "
        f"{seconds['stages']:.0f} of stages before; {held:.0f} MB at most"
    )


if __name__ == "__main__":
    sys.exit(main())

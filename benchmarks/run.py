"""Run benchmarks and write `latest.json`: `python -m benchmarks.run [names] [--peer ...]`."""

from benchmarks.harness import Options, Skipped, say, write  # isort: skip  (before tesserec)
import tesserec  # isort: skip  (before torch: it says how idle threads wait)

import importlib
import platform
import time

import torch

SHORT = (
    "lightgcn_step",
    "evaluation",
    "sampling",
    "closed_forms",
    "validation_share",
    "live_answer",
)
LONG = (  # only when named
    "sasrec_step",
    "sequence_evaluation",
    "sequence_quality",
    "time_to_quality",
    "large",
    "importing",
    "contents",
    "encoding",
    "neighbours",
    "decoding",
    "generation_step",
    "quantizing",
    "serving",
)


def main() -> None:
    options, said = Options.read()
    unknown = set(said.names) - set(SHORT + LONG)
    if unknown:
        raise SystemExit(f"There is no benchmark {sorted(unknown)}; there are {SHORT + LONG}.")
    torch.set_num_threads(options.threads)
    say(
        f"{tesserec.__name__} on {platform.processor() or platform.machine()}, "
        f"{options.threads} threads, torch {torch.__version__}"
    )
    results = []
    for name in said.names or SHORT:
        began = time.perf_counter()
        say(name)
        try:
            results += importlib.import_module(f"benchmarks.{name}").run(options)
        except Skipped as reason:
            say(f"  skipped: {reason}")
        say(f"  {time.perf_counter() - began:.0f} s in all")
    write(results, said.out)
    say(f"{len(results)} results in {said.out}")


if __name__ == "__main__":
    main()

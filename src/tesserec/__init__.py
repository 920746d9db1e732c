"""tesserec: an engine for recommender systems.

    import tesserec as tr

    data = tr.sample()
    split = tr.Published(seen="allow").split(data)
    model = tr.LightGCN().fit(split.train, tr.Run(seed=7, valid=split.valid))
    print(tr.evaluate(model, split.test))

Nothing heavy is imported until a name is used: `tr.LightGCN` is looked up, and its file imported,
at first use. Every class with a `kind` (methods, objectives, splits, ...) is found like this.
"""

import importlib
import os
from typing import Any

# OpenMP's threads spin for milliseconds between parallel regions by default, which on small
# machines takes the cores from whoever works next; here they do so for a fraction of one
# (docs/design/decisions/0017-threads-spin-briefly.md). Only effective before torch is imported;
# a setting of your own stays.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")

_PLACES = {
    "tesserec.content": ("encoded",),
    "tesserec.content.folder": ("encode_folder",),
    "tesserec.core": (
        "Dataset",
        "Holdout",
        "Interactions",
        "Ragged",
        "Recommendations",
        "Recommender",
        "Requests",
        "Run",
        "Spec",
        "Split",
    ),
    "tesserec.data.build": ("from_tables",),
    "tesserec.data.describe": ("describe",),
    "tesserec.data.format": ("write",),
    "tesserec.data.importing": ("import_data",),
    "tesserec.data.reading": ("read", "read_frame"),
    "tesserec.data.sample": ("sample",),
    "tesserec.data.transforms": ("deduplicate", "k_core", "only", "sessions"),
    "tesserec.evaluation": ("Report", "compare", "evaluate", "evaluate_settings", "side_by_side"),
    "tesserec.recommenders": (
        "Cascade",
        "Fallback",
        "Filtered",
        "Mixture",
        "Reranked",
        "load",
        "save",
    ),
}
_WHERE = {name: module for module, names in _PLACES.items() for name in names}

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """A function or type of the engine, or any class that has a kind, at first use."""
    if name in _WHERE:
        found = getattr(importlib.import_module(_WHERE[name]), name)
    elif name.startswith("_"):
        raise AttributeError(name)
    else:
        from tesserec.core import registry

        entry = registry.catalogue().get(name)
        if entry is None:
            try:
                return importlib.import_module(f"tesserec.{name}")
            except ModuleNotFoundError:
                raise AttributeError(f"tesserec has no {name!r}") from None
        found = entry.load()
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    from tesserec.core import registry

    return sorted([*globals(), *_WHERE, *registry.catalogue()])

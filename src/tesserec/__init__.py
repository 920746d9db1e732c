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
from typing import TYPE_CHECKING, Any

# OpenMP's threads spin between parallel regions by default, which on small machines takes the
# cores from whoever works next (docs/design/decisions/0002-passive-waiting.md). Only effective
# before torch is imported; a setting of your own stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from tesserec.content import TfidfSVD, encoded
    from tesserec.core import (
        Dataset,
        Holdout,
        Interactions,
        Method,
        Ragged,
        Recommendations,
        Recommender,
        Requests,
        Run,
        Spec,
        Split,
    )
    from tesserec.data.build import from_tables
    from tesserec.data.describe import describe
    from tesserec.data.format import write
    from tesserec.data.importing import import_data
    from tesserec.data.reading import read, read_frame
    from tesserec.data.sample import sample
    from tesserec.data.splits import ByItem, ByTime, ByUser, LeaveLast, Published
    from tesserec.data.transforms import deduplicate, k_core, only, sessions
    from tesserec.evaluation import Report, compare, evaluate
    from tesserec.methods.collaborative.als import ALS
    from tesserec.methods.collaborative.ease import EASE
    from tesserec.methods.collaborative.itemknn import ItemKNN
    from tesserec.methods.collaborative.lightgcn import LightGCN
    from tesserec.methods.collaborative.mf import MF
    from tesserec.methods.collaborative.popular import Popular
    from tesserec.methods.multimodal.bm3 import BM3
    from tesserec.parts.batches import Pairs, UserPairs
    from tesserec.parts.objectives import BPR, PSL, Softmax
    from tesserec.recommenders import load, save
    from tesserec.training import Schedule

_PLACES = {
    "tesserec.content": ("encoded",),
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
    "tesserec.evaluation": ("Report", "compare", "evaluate"),
    "tesserec.recommenders": ("load", "save"),
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

"""RecTools' own SASRec: data preparator, Lightning module, recommendations and metrics."""

import logging
import time
import warnings
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.metrics import NDCG, Recall, calc_metrics
from rectools.models import SASRecModel

from benchmarks.sides.curves import due
from benchmarks.sides.wire import serve

warnings.filterwarnings("ignore")
logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)

held: dict[str, Any] = {}


def version() -> dict[str, Any]:
    return {"version": f"RecTools {version_of('rectools')}, torch {torch.__version__}"}


def load_sequences(folder: str) -> None:
    """Its interactions; a second passes from event to event."""
    held["dataset"] = Dataset.construct(_frame(np.load(Path(folder) / "train.npy")))
    held["test"] = _frame(np.load(Path(folder) / "test.npy"))


def set_up_sequences(model: str, loss: str, length: int, batch: int, dim: int, heads: int) -> None:
    """Its model with its own dropout (0.2), fitted for a single step: that builds everything."""
    if (model, loss) != ("SASRec", "softmax"):
        raise ValueError(f"not here: {model} with {loss}")
    held["model"] = SASRecModel(
        n_factors=dim,
        n_blocks=2,
        n_heads=heads,
        session_max_len=length,
        batch_size=batch,
        loss="softmax",
        get_trainer_func=lambda: _trainer(1),
    )
    held["model"].fit(held["dataset"])


def sequence_steps(count: int) -> dict[str, Any]:
    """Its trainer over its own loader, from the end of one step to the end of the next."""
    model, clock = held["model"], _Clock()
    loader = model.data_preparator.get_dataloader_train()
    _trainer(count + 1, clock).fit(model.lightning_model, loader)
    return {
        "seconds": np.diff(clock.ends).tolist(),
        "sequences": clock.sequences[1:],
        "targets": clock.targets[1:],
    }


def rank_sequences(k: int) -> dict[str, Any]:
    """The best k of everything unseen for everybody, and its metrics."""
    test = held["test"]
    began = time.perf_counter()
    found = held["model"].recommend(test[Columns.User], held["dataset"], k, filter_viewed=True)
    marks = calc_metrics({"recall": Recall(k), "ndcg": NDCG(k)}, found, test)
    seconds = time.perf_counter() - began
    return {"seconds": [seconds], "users": [len(test)], "recall": float(marks["recall"])}


def sequence_curve(limit: float, epochs: int, k: int, **facts: Any) -> dict[str, Any]:
    """One fit of its trainer, which stops at the limit; weights kept on the way are asked later."""
    keeper = _Keeper(limit)
    said = {"n_factors": facts["dim"], "n_blocks": 2, "n_heads": facts["heads"]}
    said |= {"session_max_len": facts["length"], "batch_size": facts["batch"], "loss": "softmax"}
    model = SASRecModel(**said, get_trainer_func=lambda: _trainer(None, keeper, epochs=epochs))
    model.fit(held["dataset"])
    held["model"] = model
    # Its trainer is a copy, and so is what watches it.
    keeper = next(one for one in model.fit_trainer.callbacks if isinstance(one, _Keeper))
    points = []
    for point, weights in keeper.kept:
        model.lightning_model.torch_model.load_state_dict(weights)
        points.append({**point, **_asked(k)})
    return {"points": points}


def _asked(k: int) -> dict[str, float]:
    test = held["test"]
    found = held["model"].recommend(test[Columns.User], held["dataset"], k, filter_viewed=True)
    ndcg = NDCG(k, divide_by_achievable=True)  # by what one item to find can give, not k of them
    marks = calc_metrics({"recall": Recall(k), "ndcg": ndcg}, found, test)
    return {"recall": float(marks["recall"]), "ndcg": float(marks["ndcg"])}


class _Keeper(Callback):
    """Keeps the weights after some epochs, and stops at the limit."""

    def __init__(self, limit: float) -> None:
        self.limit, self.began, self.last = limit, 0.0, 0.0
        self.kept: list[tuple[dict[str, float], dict[str, torch.Tensor]]] = []

    def on_fit_start(self, trainer: Any, module: Any) -> None:
        """Batches are made and the network is there: from here on it learns."""
        self.began = time.perf_counter()

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
        """An epoch is over."""
        epoch, seconds = trainer.current_epoch + 1, time.perf_counter() - self.began
        over = seconds >= self.limit or epoch == trainer.max_epochs
        if due(epoch, seconds, self.last, self.limit) or over:
            self.last = seconds
            weights = {n: one.clone() for n, one in module.torch_model.state_dict().items()}
            self.kept.append(({"epoch": epoch, "seconds": seconds}, weights))
        trainer.should_stop |= over


class _Clock(Callback):
    """Notes when each step ended, and what its batch held."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.sequences: list[int] = []
        self.targets: list[int] = []

    def on_train_batch_end(
        self, trainer: Any, module: Any, outputs: Any, batch: Any, number: int
    ) -> None:
        """A step is over."""
        self.ends.append(time.perf_counter())
        self.sequences.append(len(batch["y"]))
        self.targets.append(int((batch["y"] != 0).sum()))


def _trainer(count: int | None, *callbacks: Callback, epochs: int = 1) -> Trainer:
    """As its own default, for so many steps of so many epochs."""
    return Trainer(
        max_epochs=epochs,
        min_epochs=1,
        limit_train_batches=count,
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=False,
        enable_checkpointing=False,
        accelerator="cpu",
        devices=1,
        callbacks=list(callbacks),
    )


def _frame(pairs: np.ndarray) -> pd.DataFrame:
    begin = np.datetime64("2000-01-01", "s")
    return pd.DataFrame(
        {
            Columns.User: pairs[:, 0],
            Columns.Item: pairs[:, 1],
            Columns.Weight: 1.0,
            Columns.Datetime: begin + np.arange(len(pairs)).astype("timedelta64[s]"),
        }
    )


if __name__ == "__main__":
    serve(
        version=version,
        load_sequences=load_sequences,
        set_up_sequences=set_up_sequences,
        sequence_steps=sequence_steps,
        rank_sequences=rank_sequences,
        sequence_curve=sequence_curve,
    )

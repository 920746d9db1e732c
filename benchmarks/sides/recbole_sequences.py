"""RecBole's sequential models: its augmented rows, its trainer, its full-ranking evaluation."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed

from benchmarks.sides.wire import Watch, timed

# What its BERT4Rec masks at random; its other kind of batch, drawn with the chance `ft_ratio` (as
# shipped: every second one), masks the last item alone, a tenth of the targets for the same work.
OWN = {"masked": {"ft_ratio": 0.0}, "masked_as_shipped": {}, "softmax": {}}

held: dict[str, Any] = {}
watch = Watch()


def load_sequences(folder: str) -> None:
    """Its atomic file: what is learned from, then each person's test event, in time."""
    place = Path(folder) / "recbole" / "sequences"
    place.mkdir(parents=True, exist_ok=True)
    pairs = np.concatenate([np.load(Path(folder) / f"{part}.npy") for part in ("train", "test")])
    with (place / "sequences.inter").open("w") as file:
        file.write("user_id:token\titem_id:token\ttimestamp:float\n")
        np.savetxt(file, np.column_stack([pairs, np.arange(len(pairs))]), "%d", "\t")
    held["place"] = str(place.parent)


def set_up_sequences(model: str, loss: str, length: int, batch: int, dim: int, heads: int) -> None:
    """Every prefix as a row, and a network; inner width and dropout are its own."""
    settings = {
        "data_path": held["place"],
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "MAX_ITEM_LIST_LENGTH": length,
        "hidden_size": dim,
        "n_heads": heads,
        "train_batch_size": batch,
        "train_neg_sample_args": None,
        "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full"},
        "metrics": ["Recall", "NDCG"],
        "topk": [10],
        "valid_metric": "NDCG@10",
        "use_gpu": False,
        "show_progress": False,
        "state": "CRITICAL",
        "checkpoint_dir": tempfile.gettempdir(),
        **OWN[loss],
    }
    config = Config(model=model, dataset="sequences", config_dict=settings)
    init_seed(config["seed"], config["reproducibility"])
    train, _, test = data_preparation(config, create_dataset(config))
    network = get_model(model)(config, train.dataset)
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, network)
    trainer.eval_collector.data_collect(train)
    held.update(train=train, test=test, trainer=trainer, config=config)


def sequence_steps(count: int) -> dict[str, Any]:
    """Its own training epoch over its own batches, cut short."""
    held["trainer"]._train_epoch(_Short(held["train"], count), 0)
    return watch.per_step()


def rank_sequences(k: int) -> dict[str, Any]:
    """Its full ranking of the last event, with its metrics; seen items stay in."""
    trainer, test = held["trainer"], held["test"]
    seconds, found = timed(lambda: trainer.evaluate(test, load_best_model=False))
    return {
        "seconds": [seconds],
        "users": [len(test.dataset)],
        "recall": float(found[f"recall@{k}"]),
    }


class _Short:
    """The first batches of a loader, with the flag that its trainer asks for."""

    shuffle = False

    def __init__(self, loader: Any, count: int) -> None:
        self.loader, self.count = loader, count

    def __iter__(self) -> Any:
        return watch.drawing(self.loader, self.count, _counts)


def _counts(batch: Any) -> dict[str, int]:
    """Rows, and targets that its loss counts: masked places, or one a row."""
    masked = "MASK_INDEX" in batch.interaction
    targets = int((batch["MASK_INDEX"] > 0).sum()) if masked else len(batch)
    return {"sequences": len(batch), "targets": targets}


OPERATIONS = {
    "load_sequences": load_sequences,
    "set_up_sequences": set_up_sequences,
    "sequence_steps": sequence_steps,
    "rank_sequences": rank_sequences,
}

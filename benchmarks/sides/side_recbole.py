"""RecBole's own LightGCN, trainer, sampler and full-ranking evaluation."""

import tempfile
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.model.general_recommender import LightGCN
from recbole.utils import get_trainer, init_seed

from benchmarks.sides import recbole_sequences
from benchmarks.sides.wire import Watch, serve, timed

held: dict[str, Any] = {}
watch = Watch()


def version() -> dict[str, Any]:
    return {"version": f"RecBole {version_of('recbole')}, torch {torch.__version__}"}


def load(folder: str) -> None:
    """Write its atomic files, and let it read them."""
    place = Path(folder) / "recbole" / "pairs"
    place.mkdir(parents=True, exist_ok=True)
    train = np.load(Path(folder) / "train.npy")
    test = np.load(Path(folder) / "test.npy")
    for part, pairs in (("train", train), ("valid", test[:1]), ("test", test)):
        with (place / f"pairs.{part}.inter").open("w") as file:
            file.write("user_id:token\titem_id:token\n")
            np.savetxt(file, pairs, fmt="%d", delimiter="\t")
    held["place"] = str(place.parent)


def set_up(batch: int) -> dict[str, Any]:
    """From its dataset to the first batch: data loaders, graph, network."""
    config = _config(batch, evaluation_batch=4096)
    dataset = create_dataset(config)

    def rest() -> None:
        train, _, test = data_preparation(config, dataset)
        model = LightGCN(config, train.dataset).to(config["device"])
        held.update(train=train, test=test, model=model, config=config, dataset=dataset)
        held["trainer"] = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)

    return {"seconds": [timed(rest)[0]]}


def steps(count: int) -> dict[str, Any]:
    """Its own training epoch over a few batches, drawn beforehand and off the clock."""
    # The trainer asks for a loader's flag; a generator of batches has none.
    held["trainer"]._train_epoch(_Loader(watch.over(held["train"], count)), 0)
    return watch.taken()


def evaluate(folder: str, users: int, batch: int = 4096) -> dict[str, Any]:
    """Its full ranking with given vectors; by default a batch of 4,096 scores, as it ships."""
    config = _config(2048, batch, users)
    dataset = create_dataset(config)
    train, _, test = data_preparation(config, dataset)
    model = LightGCN(config, train.dataset)
    model.restore_user_e = _ordered(np.load(f"{folder}/users.npy"), dataset, "user_id")
    model.restore_item_e = _ordered(np.load(f"{folder}/items.npy"), dataset, "item_id")
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    trainer.eval_collector.data_collect(train)
    seconds, found = timed(lambda: trainer.evaluate(test, load_best_model=False))
    return {
        "seconds": [seconds],
        "users": len(test.uid_list),
        **{k: float(found[k]) for k in found},
    }


def negatives() -> dict[str, Any]:
    """One epoch's batches with negatives."""
    train = held["train"]
    seconds, drawn = timed(lambda: sum(len(batch) for batch in train))
    return {"seconds": [seconds], "drawn": drawn}


class _Loader:
    """Batches with the flags that a loader has."""

    shuffle = False

    def __init__(self, batches: Any) -> None:
        self.batches = batches

    def __iter__(self) -> Any:
        return iter(self.batches)


def _config(batch: int, evaluation_batch: int, users: int = 0) -> Config:
    settings = {
        "data_path": _only_first(users) if users else held["place"],
        "benchmark_filename": ["train", "valid", "test"],
        "load_col": {"inter": ["user_id", "item_id"]},
        "n_layers": 3,
        "embedding_size": 64,
        "reg_weight": 1e-4,
        "train_batch_size": batch,
        "eval_batch_size": evaluation_batch,
        "eval_args": {"order": "RO", "mode": "full"},
        "metrics": ["Recall", "NDCG"],
        "topk": [20],
        "valid_metric": "Recall@20",
        "use_gpu": False,
        "show_progress": False,
        "state": "CRITICAL",
        "checkpoint_dir": tempfile.gettempdir(),
    }
    config = Config(model="LightGCN", dataset="pairs", config_dict=settings)
    init_seed(config["seed"], config["reproducibility"])
    return config


def _only_first(users: int) -> str:
    """The same data with fewer test users."""
    whole = Path(held["place"])
    place = whole.with_name(f"recbole-{users}") / "pairs"
    place.mkdir(parents=True, exist_ok=True)
    for part in ("train", "valid"):
        text = (whole / "pairs" / f"pairs.{part}.inter").read_text()
        (place / f"pairs.{part}.inter").write_text(text)
    lines = (whole / "pairs" / "pairs.test.inter").read_text().splitlines()
    known = list(dict.fromkeys(line.split("\t")[0] for line in lines[1:]))[:users]
    kept = [line for line in lines[1:] if line.split("\t")[0] in set(known)]
    (place / "pairs.test.inter").write_text("\n".join([lines[0], *kept]) + "\n")
    return str(place.parent)


def _ordered(table: np.ndarray, dataset: Any, field: str) -> torch.Tensor:
    """Rows in the order in which it numbered the ids; its row 0 is a pad."""
    rows = [0, *(int(token) for token in dataset.field2id_token[field][1:])]
    return torch.from_numpy(table[rows])


if __name__ == "__main__":
    serve(
        version=version,
        load=load,
        set_up=set_up,
        steps=steps,
        evaluate=evaluate,
        negatives=negatives,
        **recbole_sequences.OPERATIONS,
    )

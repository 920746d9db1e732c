"""Write a recommender to a folder and read it back, without the data it learned from.

    method.json           the outermost description
    weights.safetensors   what the network learned
    index/                the tables a lookup answers from, and what finds items faster
    catalog/              ids, display features and semantic ids; of vectors only their shapes
    lineage.json          where items were added since it was fitted: to what, and how often
    README.md             what this is, for people
    manifest.json         SHA-256 of every file

A pipeline has pipeline.json and a folder like this for each of its parts instead (pipeline/saving).
`load` builds the network on the meta device from the description and the shapes, and assigns the
weights.
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tesserec.core import Answering, Catalog, Codes, Dataset, Entities, Interactions, Method
from tesserec.core.errors import BadData, BadRequest, DamagedFile
from tesserec.core.files import MANIFEST, read_json, replacing_folder, verify
from tesserec.recommenders.index import Indexed
from tesserec.recommenders.lineage import Lineage
from tesserec.recommenders.pipeline.saving import PIPELINE, read_pipeline, write_pipeline
from tesserec.recommenders.pipeline.stage import Pipeline
from tesserec.recommenders.product import ProductRecommender

VERSION = 1
METHOD = "method.json"


def save(
    recommender: Answering, folder: Path | str, card: str = "", lineage: Lineage | None = None
) -> Path:
    """Write the folder, whole or not at all; `card` is what the model card says about results.

    A `lineage` is noted where this is an older model with more items.

    Raises `BadRequest` for a recommender that no method has made, `DiskFull` without room.
    """
    folder = Path(folder)
    method = recommender.method
    if method is None and isinstance(recommender, Pipeline):
        return _save_pipeline(recommender, folder, card)
    if method is None:
        raise BadRequest("This recommender does not know its method.", "Save what `fit` returned.")
    weights = _plain(recommender.network.state_dict())
    tables, same = _apart(recommender.tables(), weights)
    needs = _bytes([*weights.values(), *tables.values()])
    with replacing_folder(folder, needs=needs) as aside:
        _write_json(aside / METHOD, {"version": VERSION, **method.to_dict()})
        save_file(weights, aside / "weights.safetensors")
        (aside / "index").mkdir()
        save_file(tables, aside / "index" / "tables.safetensors")
        _write_json(aside / "index" / "index.json", {"same_as_weight": same})
        if isinstance(recommender, ProductRecommender) and recommender.index is not None:
            recommender.index.write(aside / "index")
        _write_catalog(recommender.catalog, aside / "catalog")
        if lineage is not None:
            lineage.write(aside)
        (aside / "README.md").write_text(_card(method, recommender, weights, card), "utf-8")
    return folder


def load(folder: Path | str) -> Answering:
    """Read a model folder, or the model of a run folder; every file is checked first.

    Raises `BadData` where there is no model, `DamagedFile` naming a file that was cut or changed,
    `BadSpec` for a method this installation does not have.
    """
    description = description_of(Path(folder))
    if description is None:
        raise BadData(
            f"{folder} holds no model.",
            "Name a folder that `tesserec fit` or `tr.save` has written.",
        )
    verify(description.parent)
    return _read(description.parent)


def description_of(folder: Path) -> Path | None:
    """The file that says what the model of a model or run folder is; None where there is none."""
    for place in (folder, folder / "model"):
        for name in (METHOD, PIPELINE) if (place / MANIFEST).is_file() else ():
            if (place / name).is_file():
                return place / name
    return None


def _save_pipeline(pipeline: Pipeline, folder: Path, card: str) -> Path:
    """Each part is a whole artifact, which may be loaded alone."""
    learned = pipeline.network.state_dict().values()
    with replacing_folder(folder, needs=_bytes(learned)) as aside:
        write_pipeline(pipeline, aside, save)
        (aside / "README.md").write_text(_pipeline_card(pipeline, card), "utf-8")
    return folder


def _read(folder: Path) -> Answering:
    """What a checked folder holds."""
    if (folder / PIPELINE).is_file():
        return read_pipeline(folder, _read)
    described = read_json(folder / METHOD)
    if described.pop("version", None) != VERSION:
        raise BadData(f"{folder} was written by another version of tesserec.", "Fit it again.")
    method = Method.from_dict(described)
    catalog = _read_catalog(folder / "catalog")
    weights = _tensors(folder / "weights.safetensors")
    network = empty_network(method, catalog, weights)
    try:
        network.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise DamagedFile(f"The weights in {folder} do not fit its method: {error}") from None
    tables = _tensors(folder / "index" / "tables.safetensors")
    same = read_json(folder / "index" / "index.json")["same_as_weight"]
    tables |= {name: weights[weight] for name, weight in same.items()}
    found = method.answer(network.eval(), catalog).by(method).with_tables(tables)
    if isinstance(found, ProductRecommender):
        index = Indexed.read(folder / "index", found.item_vectors)
        found = replace(found, index=index)
    return found


def empty_network(method: Method, catalog: Catalog, weights: dict[str, Tensor]) -> nn.Module:
    """A network of the method, on the meta device, that such weights can be assigned to."""
    nobody = pl.DataFrame(schema={"user": pl.Int64, "item": pl.Int64})
    with torch.device("meta"):
        network = method.network(Dataset(catalog, Interactions(nobody)))
    _lengthen_memories(network, weights)
    return network


def _tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, in memory of their own.

    Where they lie in a mapped file decides how they are aligned, and that a product's last bit;
    and a mapped file that is overwritten in place takes the model with it.
    """
    return {name: one.clone() for name, one in load_file(path).items()}


def _lengthen_memories(network: nn.Module, weights: dict[str, Tensor]) -> None:
    """What a network remembers of each event is empty without events: make it as long as it was."""
    for name, buffer in list(network.named_buffers()):
        if name in weights and not buffer.numel():
            owner, _, own = name.rpartition(".")
            setattr(network.get_submodule(owner), own, torch.empty_like(weights[name]))


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(one.numel() * one.element_size() for one in tensors)


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """On the CPU, contiguous, and sharing no memory, as safetensors wants them."""
    plain: dict[str, Tensor] = {}
    places: set[int] = set()
    for name, tensor in tensors.items():
        one = tensor.detach().cpu().contiguous()
        plain[name] = one.clone() if one.data_ptr() in places else one
        places.add(one.data_ptr())
    return plain


def _apart(tables: Any, weights: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tables that are not weights themselves, and which weight the others are."""
    by_place = {one.data_ptr(): name for name, one in weights.items() if one.numel()}
    own: dict[str, Tensor] = {}
    same: dict[str, str] = {}
    for name, tensor in tables.items():
        one = tensor.detach().cpu().contiguous()
        weight = by_place.get(one.data_ptr())
        if weight is not None and weights[weight].shape == one.shape:
            same[name] = weight
        else:
            own[name] = one.clone()
    return own, same


def _write_catalog(catalog: Catalog, folder: Path) -> None:
    folder.mkdir()
    items = catalog.items
    columns = [items.features[name] for name in items.features.columns]
    pl.DataFrame([items.ids.alias("id"), *columns]).write_parquet(folder / "items.parquet")
    # Of people only ids: what is known about them stays with the data.
    pl.DataFrame([catalog.users.ids.alias("id")]).write_parquet(folder / "users.parquet")
    for name, entities in catalog.others.items():
        pl.DataFrame([entities.ids.alias("id")]).write_parquet(folder / f"other.{name}.parquet")
    codes = {name: one.table.cpu().contiguous().clone() for name, one in items.codes.items()}
    if codes:
        save_file(codes, folder / "codes.safetensors")
    shapes = {
        "items": {n: [str(v.dtype), *v.shape] for n, v in items.vectors.items()},
        "users": {n: [str(v.dtype), *v.shape] for n, v in catalog.users.vectors.items()},
    }
    sizes = {name: one.sizes for name, one in items.codes.items()}
    others = list(catalog.others)
    _write_json(folder / "catalog.json", {"vectors": shapes, "others": others, "codes": sizes})


def _read_catalog(folder: Path) -> Catalog:
    facts = read_json(folder / "catalog.json")
    items = pl.read_parquet(folder / "items.parquet")
    users = pl.read_parquet(folder / "users.parquet")
    others = {n: pl.read_parquet(folder / f"other.{n}.parquet") for n in facts["others"]}
    sizes = facts.get("codes", {})
    tables = _tensors(folder / "codes.safetensors") if sizes else {}
    codes = {name: Codes(tables[name], tuple(size)) for name, size in sizes.items()}
    return Catalog(
        Entities(items["id"], items.drop("id"), _shapes(facts["vectors"]["items"]), codes=codes),
        Entities(users["id"], vectors=_shapes(facts["vectors"]["users"])),
        {name: Entities(frame["id"]) for name, frame in others.items()},
    )


def _shapes(written: dict[str, Any]) -> dict[str, Tensor]:
    return {
        name: torch.empty(shape, dtype=getattr(torch, dtype.removeprefix("torch.")), device="meta")
        for name, (dtype, *shape) in written.items()
    }


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _card(method: Method, recommender: Answering, weights: dict[str, Tensor], card: str) -> str:
    numbers = sum(one.numel() for one in weights.values())
    about = (type(method).__doc__ or "").strip()
    catalog = recommender.catalog
    return f"""---
library_name: tesserec
tags: [recommender-system, {type(method).__name__.lower()}]
---
# {type(method).__name__}

{about}

{len(catalog.items):,} items, {len(catalog.users):,} users, {numbers:,} numbers learned.

```json
{json.dumps(method.to_dict(), indent=2, ensure_ascii=False)}
```

```python
import tesserec as tr
model = tr.load("path/to/this/folder")
model.recommend(tr.Requests.of(model.catalog, histories=[["an item id", "another"]]), k=10)
```

{_KEEPS_EVENTS if method.keeps_events else _KEEPS_NOTHING}
{card}"""


def _pipeline_card(pipeline: Pipeline, card: str) -> str:
    kind = type(pipeline)
    about = (kind.__doc__ or "").strip()
    parts = "\n".join(f"- [{name}]({name}/README.md)" for name in pipeline.parts)
    return f"""---
library_name: tesserec
tags: [recommender-system, {kind.__name__.lower()}]
---
# {kind.__name__}

{about}

{parts}

{card}"""


_KEEPS_NOTHING = """It was written without the data it learned from: no events, nothing about people
but their ids, and of what items are made only what the method keeps in its weights."""

_KEEPS_EVENTS = """It holds what people did: which items each of them chose, beside their ids.
Handle it like the data it learned from; to forget somebody, fit again without them."""

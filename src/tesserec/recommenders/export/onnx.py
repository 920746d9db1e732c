"""Onnx: the model as a graph that other runtimes compute."""

import io
import logging
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import polars as pl
import torch
from pydantic import Field
from torch import Tensor, nn

from tesserec.core import Histories, Ragged, Requests
from tesserec.core.errors import CannotAnswer, MissingExtra
from tesserec.parts.batches.packed import Group, Packed
from tesserec.recommenders.encoder import EncoderRecommender
from tesserec.recommenders.export.format import Format
from tesserec.recommenders.lookup import LookupRecommender
from tesserec.recommenders.product import ProductRecommender

CLOSE = 1e-4  # how equal answers are, or nothing is exported
FILE = "model.onnx"


class Onnx(Format):
    """`model.onnx`, and ids in the order of rows: `items.parquet`, `users.parquet`.

    A lookup takes `user` [B]; an encoder takes `history` [B, T]: rows of items, oldest first, then
    -1; T is `longest` in `export.json`. Out come `query` [B, D], `items` [B, k] and `scores`
    [B, k]. Nothing is left out of the answers: what somebody has seen is for the caller to leave
    out. What is written is computed once by onnxruntime and compared.
    """

    k: int = Field(default=100, ge=1)  # answers

    def write(self, model: ProductRecommender, folder: Path) -> Mapping[str, Any]:
        k = min(self.k, len(model.catalog.items))
        graph = _graph_of(model, k)
        _export(graph, model, folder / FILE)
        difference = _compared(graph, model, folder / FILE)
        for name in ("items", "users"):
            entities = getattr(model.catalog, name)
            rows = pl.int_range(len(entities), dtype=pl.Int64, eager=True).alias("row")
            if name == "items" or isinstance(model, LookupRecommender):
                table = pl.DataFrame([rows, entities.ids.alias("id")])
                table.write_parquet(folder / f"{name}.parquet")
        width = {"longest": graph.longest} if isinstance(graph, EncoderGraph) else {}
        return {"k": k, "input": graph.asked, **width, "difference": difference}


class Graph(nn.Module):
    """Queries, and the best of all items for them."""

    asked: str  # what the input is called

    def __init__(self, model: ProductRecommender, k: int) -> None:
        super().__init__()
        self.register_buffer("table", _copy(model.item_vectors))
        self.register_buffer("average", _copy(model.tables()["average"]))
        self.k = k

    def forward(self, asked: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """-> [B, D], [B, k], [B, k]"""
        query = self.queries(asked)
        scores, items = torch.topk(query @ cast(Tensor, self.table).T, self.k, dim=1)
        return query, items, scores

    @abstractmethod
    def queries(self, asked: Tensor) -> Tensor:
        """[B, ...] -> [B, D]"""

    @abstractmethod
    def samples(self) -> list[tuple[Tensor, Requests]]:
        """Questions as the graph gets them, and the same as the model does."""


class LookupGraph(Graph):
    """The row of a user, -1 for a stranger: [B]"""

    asked = "user"

    def __init__(self, model: ProductRecommender, k: int) -> None:
        super().__init__(model, k)
        self.register_buffer("users", _copy(model.tables()["users"]))
        self.register_buffer("known", model.tables()["known"].cpu().clone())

    def queries(self, asked: Tensor) -> Tensor:
        place = asked.clamp(min=0)
        known = (asked >= 0) & cast(Tensor, self.known)[place]
        own = cast(Tensor, self.users)[place]
        return torch.where(known[:, None], own, cast(Tensor, self.average))

    def samples(self) -> list[tuple[Tensor, Requests]]:
        users = torch.arange(-1, min(len(cast(Tensor, self.users)), 64))
        groups = (users[:1], users, users[-3:])
        return [(one, Requests(one, Histories(Ragged.empty(len(one))))) for one in groups]


class EncoderGraph(Graph):
    """Rows of items, oldest first, -1 behind: [B, T]"""

    asked = "history"

    def __init__(self, model: EncoderRecommender, k: int) -> None:
        super().__init__(model, k)
        self.register_buffer("inputs", _copy(model.input_vectors))
        self.network = model.network.cpu()
        self.longest = int(cast(Any, model.network).longest)

    def queries(self, asked: Tensor) -> Tensor:
        lengths = (asked >= 0).sum(1)
        # An empty history is read as one event, and what comes of it is not used.
        padded = Padded(asked.clamp(min=0).flatten(), lengths.clamp(min=1), self.longest)
        query = cast(Any, self.network).asked_after(padded, self.inputs)
        return torch.where((lengths > 0)[:, None], query, cast(Tensor, self.average))

    def samples(self) -> list[tuple[Tensor, Requests]]:
        draw = torch.Generator().manual_seed(0)
        places = torch.arange(self.longest)
        found = []
        for count in (1, 2, 7):
            lengths = torch.randint(0, self.longest + 1, (count,), generator=draw)
            lengths[0] = self.longest if count == 2 else lengths[0]
            shape = (count, self.longest)
            rows = torch.randint(0, len(cast(Tensor, self.table)), shape, generator=draw)
            there = places < lengths[:, None]
            history = Histories(Ragged.packed(rows[there], lengths))
            nobody = torch.full((count,), -1)
            found.append((rows.masked_fill(~there, -1), Requests(nobody, history)))
        return found


class Padded:
    """Sequences as rows of one width, read like `Packed`: what lies behind an end is not used."""

    time = kind = None

    def __init__(self, items: Tensor, lengths: Tensor, width: int) -> None:
        """[B * T], [B]"""
        self.items, self.lengths = items, lengths
        self.groups = (EvenGroup(slice(0, None), width, lengths, None, None),)
        count = lengths.shape[0]  # `len` would be one number for ever, once it is traced
        self.starts = torch.arange(count) * width
        self.ends = self.starts + lengths
        places = torch.arange(width).expand(count, width)
        self.from_start = places.reshape(-1)
        self.from_end = (lengths[:, None] - 1 - places).clamp(min=0).reshape(-1)

    def padded(self, values: Tensor) -> list[Tensor]:
        """[B * T, D] -> [B, T, D]"""
        return [self.groups[0].table(values)]

    def joined(self, tables: list[Tensor], rows: int | None = None) -> Tensor:
        """[B, T, D] -> [B * T, D]"""
        return self.groups[0].packed(tables[0])

    earlier = Packed.earlier


class EvenGroup(Group):
    """A group whose rows are all of one width, whatever their lengths are."""

    @property
    def mask(self) -> Tensor:
        return torch.arange(self.width) < self.lengths[:, None]


def _graph_of(model: ProductRecommender, k: int) -> Graph:
    if isinstance(model, LookupRecommender):
        return LookupGraph(model, k).eval()
    if isinstance(model, EncoderRecommender) and hasattr(model.network, "asked_after"):
        return EncoderGraph(model, k).eval()
    raise CannotAnswer(f"{_name(model)} reads histories in a way that no graph is made of.", _ELSE)


def _export(graph: Graph, model: ProductRecommender, path: Path) -> None:
    """Raises `CannotAnswer` for a network that cannot be traced."""
    for package in ("onnx", "onnxscript"):
        _package(package)
    example = next(asked for asked, _ in graph.samples() if len(asked) > 1)
    batch = torch.export.Dim("batch", min=1)
    names = ["query", "items", "scores"]
    try:
        with torch.no_grad(), _quiet(), torch.backends.mkldnn.flags(enabled=False):
            torch.onnx.export(
                graph,
                (example,),
                str(path),
                input_names=[graph.asked],
                output_names=names,
                dynamic_shapes=({0: batch},),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # of whatever kind: tracing runs all of torch
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise CannotAnswer(
            f"{_name(model)} cannot be written as ONNX: {reason[0][:200]}", _ELSE
        ) from error


def _compared(graph: Graph, model: ProductRecommender, path: Path) -> float:
    """The largest difference between what onnxruntime computes and what the model answers.

    Raises `CannotAnswer` where it is too large.
    """
    runtime = _package("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    worst = 0.0
    for asked, requests in graph.samples():
        try:
            query, _, scores = session.run(None, {graph.asked: asked.numpy()})
        except Exception as error:  # onnxruntime has no class of its own for all of them
            raise CannotAnswer(
                f"{_name(model)} as ONNX does not take every request.", _ELSE
            ) from error
        expected = replace(model, index=None).recommend(requests, graph.k).scores
        pairs = ((query, model.queries(requests).detach().cpu()), (scores, expected))
        for ours, theirs in pairs:
            scale = max(1.0, float(theirs.abs().max()))
            worst = max(worst, float((torch.from_numpy(ours) - theirs).abs().max()) / scale)
    if not worst <= CLOSE:
        raise CannotAnswer(
            f"{_name(model)} as ONNX answers otherwise, by {worst:.2g}: it is not written.", _ELSE
        )
    return worst


_ELSE = "Export its vectors with --format parquet or faiss."


def _copy(table: Tensor) -> Tensor:
    return table.detach().cpu().float().clone()


def _name(model: ProductRecommender) -> str:
    return type(model.method or model.network).__name__


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise MissingExtra(
            f"ONNX export needs {name}.", "Run: pip install 'tesserec[export]'"
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """No reports of the exporter on standard out, which belongs to answers."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        log = logging.getLogger("torch.onnx")
        told, log.level = log.level, logging.ERROR
        try:
            yield
        finally:
            log.level = told

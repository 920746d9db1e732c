"""Quantizer: item vectors become a few tokens each, from coarse to fine."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tesserec.core import Codes, Dataset, Entities, Run, Spec
from tesserec.core.errors import BadData, CannotAnswer, DamagedFile, NoContent
from tesserec.core.files import read_json, replacing_folder, verify, write_json
from tesserec.parts.semantic_ids.collisions import Collisions, ExtraLevel

Count = Annotated[int, Field(ge=1)]

KEPT = "kept"  # the folder of a run that holds its ids
LARGEST = 1e15  # squares of such numbers can be added up over 10 million dimensions


class Codebook(nn.Module, ABC):
    """What a quantizer learned. It gives codes to items it has never seen, and never changes."""

    items: Entities | None = None  # those it keeps something of, where it was made for some

    @abstractmethod
    def read(self, items: Entities) -> Tensor:
        """What is quantised of some items: [n, D]"""

    @abstractmethod
    def encode(self, vectors: Tensor) -> Tensor:
        """[n, D] -> [n, L]"""

    def decode(self, codes: Tensor) -> Tensor:
        """The vectors codes stand for: [n, L] -> [n, D]. Raises `CannotAnswer`."""
        raise CannotAnswer(f"The codes of {type(self).__name__} stand for no vectors.")

    def meant(self, vectors: Tensor) -> Tensor:
        """What `decode` comes near to, of what was read: [n, D]"""
        return vectors


@dataclass(frozen=True, eq=False)
class Quantized:
    """A codebook, what it read of each item of the catalogue, and the codes it gave them."""

    codebook: Codebook
    vectors: Tensor  # [I, D]
    codes: Codes  # not yet unique


class Quantizer(Spec):
    """A way to turn items into codes. Its fields are its hyper-parameters."""

    tiny: ClassVar[dict[str, object]] = {}  # changes that make it small, for contract tests
    learns: ClassVar[bool] = True  # a codebook; else codes come from elsewhere

    levels: Count = 3
    codes: Count = 256  # tokens of each level
    warm: bool = True  # learned from items with events alone, if there are any; others are encoded
    collisions: Collisions = ExtraLevel()

    @abstractmethod
    def codebook(self, items: Entities) -> Codebook:
        """A new codebook; of the items' vectors only the shapes count."""

    @abstractmethod
    def fit(self, data: Dataset, run: Run) -> Quantized:
        """Learn a codebook, and give all items of the catalogue their codes."""

    def present(self, items: Entities) -> Tensor:
        """Which items there is something to quantise of: [n] bool. Others have codes as well."""
        return torch.ones(len(items), dtype=torch.bool)

    def ids(self, data: Dataset, run: Run) -> Codes:
        """Semantic ids of all items. With a folder they are kept, and read again by a resumed run.

        Raises `NoContent` where the vectors it reads are missing, and `DamagedFile`.
        """
        key = self.key(data.fingerprint, str(run.seed), run.name)
        if run.folder is not None and run.resume:
            kept = self._kept(data, run, key)
            if kept is not None:
                return kept
        codes = self.unique(self.fit(data, run), data.popularity)
        if run.folder is not None:
            self._keep(codes, run, key)
        return codes

    def unique(self, found: Quantized, popularity: Tensor) -> Codes:
        """What was found, with collisions resolved; `popularity` [I] counts events."""
        codes = replace(found.codes, codebook=found.codebook.eval().requires_grad_(False))
        return self.collisions.apart(codes, popularity, found.vectors)

    @torch.no_grad()
    def more(self, codebook: Codebook, before: Codes, items: Entities) -> Codes:
        """Ids of new items beside those there are, which stay as they are (promise 18)."""
        vectors = codebook.read(items)
        before = replace(before, codebook=codebook)
        both = self.collisions.added(before, codebook.encode(vectors), vectors)
        return replace(both, table=both.table[len(before) :])

    def learned_from(self, data: Dataset) -> Tensor:
        """The items a codebook is learned from: rows [n]

        Of those it may be learned from the ones with content, if any has some.
        """
        allowed = self.allowed(data)
        there = allowed & self.present(data.catalog.items)
        return torch.nonzero(there if bool(there.any()) else allowed)[:, 0]

    def allowed(self, data: Dataset) -> Tensor:
        """The items a codebook may be learned from, whatever their content: [I] bool"""
        chosen = data.popularity > 0
        return chosen if self.warm and bool(chosen.any()) else torch.ones_like(chosen)

    def _keep(self, codes: Codes, run: Run, key: str) -> None:
        assert run.folder is not None
        assert codes.codebook is not None
        weights = {f"codebook.{n}": one for n, one in codes.codebook.state_dict().items()}
        with replacing_folder(run.folder / KEPT) as aside:
            save_file({"codes": codes.table.contiguous(), **weights}, aside / "ids.safetensors")
            write_json(aside / "ids.json", {"key": key, "sizes": codes.sizes})

    def _kept(self, data: Dataset, run: Run, key: str) -> Codes | None:
        """Raises `DamagedFile`."""
        assert run.folder is not None
        folder = run.folder / KEPT
        if not folder.is_dir():
            return None
        try:
            verify(folder)
        except (BadData, DamagedFile) as error:
            cure = f"Delete {folder}: the ids are then made again, and are the same."
            raise DamagedFile(error.cause, cure) from error
        facts = read_json(folder / "ids.json")
        if facts["key"] != key:
            return None
        tensors = load_file(folder / "ids.safetensors")
        table = tensors.pop("codes")
        weights = {n.removeprefix("codebook."): one for n, one in tensors.items()}
        with torch.device("meta"):  # so that no random numbers are drawn for what is read
            codebook = self.codebook(data.catalog.items)
        codebook.load_state_dict(weights, assign=True)
        sizes = tuple(facts["sizes"])
        return Codes(table, sizes, codebook.eval().requires_grad_(False))


class VectorQuantizer(Quantizer):
    """A quantizer of one table of item vectors."""

    vectors: str = ""  # which; "": the only ones

    def present(self, items: Entities) -> Tensor:
        return items.present(self.name(items))

    def name(self, items: Entities) -> str:
        """The vectors that are read. Raises `NoContent`."""
        if self.vectors in items.vectors:
            return self.vectors
        if not self.vectors and len(items.vectors) == 1:
            return next(iter(items.vectors))
        there = ", ".join(sorted(items.vectors)) or "none"
        called = f" called {self.vectors!r}" if self.vectors else ""
        raise NoContent(
            f"{type(self).__name__} reads item vectors{called}, and there are {there}.",
            "Encode some (`tesserec encode`), or name those to read: in its field `vectors`, which "
            "is --vectors of `tesserec tokenize`.",
        )


class VectorCodebook(Codebook):
    """A codebook of one table of item vectors."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def read(self, items: Entities) -> Tensor:
        """Raises `BadData` for what has no distance: NaN, and numbers too large to be squared."""
        items.check_vectors(self.name, LARGEST)
        found = items.vectors[self.name].float()
        if self.name not in items.masks:
            return found
        # What is noted as missing was not checked.
        return torch.where(found.abs() <= LARGEST, found, 0.0)


def named(items: Entities, name: str, quantizer: Quantizer) -> Codes:
    """The codes of that name, with the codebook that made them, or an empty one to be loaded."""
    codes = items.codes[name]
    if codes.codebook is not None:
        return codes
    return Codes(codes.table, codes.sizes, quantizer.codebook(items))

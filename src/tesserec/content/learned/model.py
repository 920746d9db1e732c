"""What learned encoders share: where the model lies, what it weighs, how exactly it computes.

A model is a folder as `save_pretrained` writes it, or a name on the hub, which is fetched into the
hub's own cache. Weights are safetensors, and no code that comes with a model is run.
"""

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from tesserec.content.encoder import PieceEncoder, Rows
from tesserec.core.errors import BadSpec, MissingExtra
from tesserec.core.files import read_json

Precision = Literal["auto", "float32", "float16", "bfloat16"]
KEPT = ("*.json", "*.safetensors", "*.txt", "*.model")  # weights, settings, vocabularies
TWICE = ("consolidated*", "original/*", "onnx/*", "openvino/*")  # the same weights once more

UNUSED = ("pooler", "mask")  # in names of weights that only training needs


class LearnedEncoder(PieceEncoder):
    """An encoder whose rows come out of a trained network."""

    model: str  # a folder, or a name on the hub
    precision: Precision = "auto"  # auto: half on CUDA, whose rows then differ in the third digit
    layers: tuple[int, ...] = ()  # rows are these hidden states, pooled, side by side; 0: the input

    version: ClassVar[int] = 1
    extra: ClassVar[str] = "text"  # what pip installs for it

    @abstractmethod
    def loaded(self, folder: Path, device: str) -> Callable[[Sequence[Any]], Tensor]:
        """What turns decoded pieces into a tensor [n, W], the network being on the device."""

    def weights(self) -> str:
        return digest(self.model)

    def reader(self, device: str) -> Callable[[Sequence[Any]], Rows]:
        look = self.loaded(folder_of(self.model), device)
        kind = np.float16 if self.precision == "float16" else np.float32

        @torch.inference_mode()
        def rows(decoded: Sequence[Any]) -> Rows:
            found = look(decoded).float().cpu().numpy().astype(kind)
            if not np.isfinite(found).all():
                raise BadSpec(
                    f"{self.model} gives vectors that are no numbers.", "Set precision=float32."
                )
            return found

        return rows

    def network(self, folder: Path, device: str) -> nn.Module:
        """The model of transformers that the folder's config names, ready to look at things."""
        return pretrained(folder, self.dtype(device), self.extra).eval().to(device)

    def dtype(self, device: str) -> torch.dtype:
        """In what the network computes."""
        if self.precision == "auto":
            return torch.float16 if device.startswith("cuda") else torch.float32
        return {
            "float32": torch.float32,
            "float16": torch.float16,
            "bfloat16": torch.bfloat16,
        }[self.precision]

    def chosen(self, hidden: Sequence[Tensor], pool: Callable[[Tensor], Tensor]) -> Tensor:
        """The wanted layers of all hidden states, [n, T, D] each, pooled: [n, L * D]"""
        beyond = [n for n in self.layers if not -len(hidden) <= n < len(hidden)]
        if beyond:
            raise BadSpec(
                f"{self.model} has no layer {beyond[0]}.", f"It has 0 to {len(hidden) - 1}."
            )
        return torch.cat([pool(hidden[number]) for number in self.layers], 1)


def pretrained(folder: Path, dtype: torch.dtype, extra: str = "text,image") -> nn.Module:
    """The model of transformers that the folder's config names, with the weights that are there.

    Raises `BadSpec` where any lacks.
    """
    auto = package("transformers", extra).AutoModel
    options = {"dtype": dtype, "use_safetensors": True, "output_loading_info": True}
    network, told = opened(auto, folder, **options)
    missing = [n for n in told["missing_keys"] if not any(part in n for part in UNUSED)]
    if missing:  # they would be drawn at random
        raise BadSpec(f"{folder} lacks weights of its network, such as {sorted(missing)[0]}.")
    whole: nn.Module = network
    return whole


def folder_of(model: str, files: Sequence[str] = KEPT) -> Path:
    """Where the model lies on this machine; of one on the hub, these files are fetched.

    Raises `BadSpec` when there is neither.
    """
    place = Path(model).expanduser()
    if place.is_dir():
        return place
    hub = package("huggingface_hub", "text")
    try:
        return Path(
            hub.snapshot_download(model, allow_patterns=list(files), ignore_patterns=list(TWICE))
        )
    except (OSError, ValueError) as error:  # hub errors are these; bad names are ValueErrors
        raise BadSpec(
            f"There is no folder {model!r}, and the hub gives no model of that name "
            f"({str(error).strip().splitlines()[0]}).",
            "Download it to a folder and name that.",
        ) from None


def digest(model: str) -> str:
    """Of everything in the model's folder that vectors depend on; of a hub name, its commit."""
    folder = folder_of(model)
    if not Path(model).expanduser().is_dir():
        return f"{model}@{folder.name}"
    found = hashlib.sha256()
    for path in sorted({path for pattern in KEPT for path in folder.rglob(pattern)}):
        with path.open("rb") as file:
            inside = hashlib.file_digest(file, "sha256").digest()
        found.update(path.relative_to(folder).as_posix().encode() + b"\0" + inside)
    return found.hexdigest()[:16]


def settings(folder: Path) -> Mapping[str, Any]:
    """What the folder's config.json says. Raises `BadSpec` where there is none."""
    if not (folder / "config.json").is_file():
        raise BadSpec(
            f"{folder} is no model: it has no config.json.",
            "Name a folder as save_pretrained writes it.",
        )
    found: Mapping[str, Any] = read_json(folder / "config.json")
    return found


def opened(kind: Any, folder: Path, **options: Any) -> Any:
    """What a class of transformers reads from the folder.

    Raises `BadSpec` when files are missing or made for something else, as do weights that are
    pickles: those are not opened.
    """
    settings(folder)
    read = getattr(kind, "from_pretrained", kind)  # a SentenceTransformer reads when it is made
    try:
        with _quiet():
            return read(str(folder), local_files_only=True, trust_remote_code=False, **options)
    except ImportError as error:  # of what one kind of tokenizer needs, say
        raise MissingExtra(str(error).strip().splitlines()[0]) from None
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise BadSpec(
            f"{kind.__name__} cannot read {folder}: {reason[0]}",
            "Name a folder with config.json, *.safetensors and what prepares the input.",
        ) from None


def package(name: str, extra: str) -> Any:
    """An optional package. Raises `MissingExtra` when it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        raise MissingExtra(
            f"This encoder needs {name}.", f"Run: pip install 'tesserec[{extra}]'"
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """No bars and reports of transformers beside ours while something is loaded."""
    log = package("transformers", "text").utils.logging
    bars, told = log.is_progress_bar_enabled(), log.get_verbosity()
    log.disable_progress_bar()
    log.set_verbosity_error()
    try:
        yield
    finally:
        log.set_verbosity(told)
        if bars:
            log.enable_progress_bar()


def unit(vectors: Tensor) -> Tensor:
    """Of length one: [n, D]"""
    return nn.functional.normalize(vectors.float(), dim=1)

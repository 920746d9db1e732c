"""Sounds through a network: CLAP (Wu et al., ICASSP 2023), wav2vec 2.0, HuBERT, AST and their kin.

CLAP gives its projected vector, of length one; the spectrogram transformer AST (Gong et al.,
Interspeech 2021) what it classifies by; networks of waveforms the mean over time of their last
layer. Sounds are never padded beside each other: those of equal length are looked at together, so
that no vector depends on its neighbours.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from tesserec.content.encoder import Modality, Piece, Undecodable
from tesserec.content.learned.model import LearnedEncoder, folder_of, opened, package, unit
from tesserec.content.sounds import open_sound
from tesserec.core.errors import BadSpec

SHORTEST = 0.1  # seconds; less is below what networks of waveforms look at together


class AudioEncoder(LearnedEncoder):
    """Vectors of sounds; of a longer one, so many seconds."""

    modality: ClassVar[Modality] = "audio"
    extra: ClassVar[str] = "text,audio"
    window: ClassVar[int] = 64

    seconds: Annotated[float, Field(ge=SHORTEST)] = 10.0
    batch: int = 8

    def decode(self, piece: Piece) -> NDArray[np.float32]:
        assert isinstance(piece, bytes)
        prepare = self._prepare
        rate = prepare.sampling_rate
        # What CLAP finds too long it cuts by chance; so it gets nothing that is.
        seconds = min(self.seconds, getattr(prepare, "max_length_s", self.seconds))
        samples = open_sound(piece, rate, seconds)
        if len(samples) < SHORTEST * rate:
            raise Undecodable(f"a sound shorter than {SHORTEST} seconds")
        name = prepare.model_input_names[0]
        prepared = prepare(samples, sampling_rate=rate, return_tensors="np")[name]
        found: NDArray[np.float32] = np.asarray(prepared[0], np.float32)
        return found

    def size(self, decoded: Any) -> int:
        return len(decoded)

    @cached_property
    def _prepare(self) -> Any:
        """Small: threads that ask at the same moment may read it twice, and one is kept."""
        kind = package("transformers", self.extra).AutoFeatureExtractor
        return opened(kind, folder_of(self.model))

    def loaded(self, folder: Path, device: str) -> Callable[[Sequence[Any]], Tensor]:
        network, dtype = self.network(folder, device), self.dtype(device)
        look = self._looking(network, self._prepare.model_input_names[0])

        def read(decoded: Sequence[Any]) -> Tensor:
            order = sorted(range(len(decoded)), key=lambda row: decoded[row].shape)
            found: dict[int, Tensor] = {}
            for _, alike in groupby(order, key=lambda row: decoded[row].shape):
                rows = list(alike)
                block = np.stack([decoded[row] for row in rows])
                seen = look(torch.from_numpy(block).to(device, dtype))
                found.update(zip(rows, seen, strict=True))
            return torch.stack([found[row] for row in range(len(decoded))])

        return read

    def _looking(self, network: nn.Module, name: str) -> Callable[[Tensor], Tensor]:
        projects = hasattr(network, "get_audio_features")
        if projects and self.layers:
            raise BadSpec(f"The layers of {self.model} differ in width.", "Leave layers out.")

        def look(prepared: Tensor) -> Tensor:
            if projects:
                return unit(_projected(network, prepared))
            seen = network(**{name: prepared}, output_hidden_states=bool(self.layers))
            if self.layers:
                return self.chosen(seen.hidden_states, lambda hidden: hidden.mean(1))
            pooled: Tensor | None = getattr(seen, "pooler_output", None)
            return seen.last_hidden_state.mean(1) if pooled is None else pooled

        return look


def _projected(network: Any, prepared: Tensor) -> Tensor:
    longer = torch.zeros(len(prepared), 1, dtype=torch.bool, device=prepared.device)
    found: Tensor = network.get_audio_features(prepared, is_longer=longer).pooler_output
    return found

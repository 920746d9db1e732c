"""Peeking: what a method would learn of items that its split holds to be new."""

from collections.abc import Iterator

from tesserec.core import Method, Spec, Split
from tesserec.core.errors import BadSpec
from tesserec.parts.semantic_ids import Quantizer


def refuse_peeking(method: Method, split: Split) -> None:
    """Raise `BadSpec` where a codebook would be learned from new items, if there are settings.

    Public pipelines do so without saying it, and it flatters the codes of new items.
    """
    if not split.settings:
        return
    for quantizer in _quantizers(method):
        if bool((split.train.popularity[quantizer.allowed(split.train)] == 0).any()):
            kind = type(quantizer).__name__
            raise BadSpec(
                f"{type(method).__name__} learns the codebook of its {kind} from items that are "
                "to be new.",
                f"Set warm = true in its {kind}: new items are then encoded, not learned from.",
            )


def _quantizers(part: object, led: bool = False) -> Iterator[Quantizer]:
    """The quantizers anywhere inside, but not those `led` by one that says what they learn from."""
    if isinstance(part, Quantizer) and not led:
        yield part
    if isinstance(part, Spec):
        for name in type(part).model_fields:
            yield from _quantizers(getattr(part, name), isinstance(part, Quantizer))
    elif isinstance(part, tuple):
        for one in part:
            yield from _quantizers(one, led)

"""Modality dropout: in training, items do without a modality now and then (Neverova et al., 2015).

ModDrop: adaptive multi-modal gesture recognition, TPAMI 2016, arXiv:1501.00102.
"""

import torch
from torch import Tensor


def modality_dropout(
    masks: Tensor, share: float, training: bool = True, generator: torch.Generator | None = None
) -> Tensor:
    """Masks [M, n] with a `share` of what is present taken away, each modality by its own chance.

    Where chance would take all that an item has, one of them stays, each as likely; so a little
    less than `share` goes. Without a generator the global one is used, as dropout does.
    """
    if not training or not share:
        return masks
    chance = torch.rand(masks.shape, generator=generator, device=masks.device)
    luckiest = torch.where(masks, chance, -1.0).argmax(0)  # is the last to go, and stays
    kept = masks & (chance >= share)
    return kept.scatter(0, luckiest[None], masks.any(0)[None])

"""Views: cut-outs of pictures that show the same and look different (multi-crop).

Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments",
NeurIPS 2020, arXiv:2006.09882.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

SHAPES = (3 / 4, 4 / 3)  # of a cut-out, width by height
JITTER = 0.4  # brightness and contrast change by at most this share
GREY = 0.2  # how often a view has no colours


def cut(pictures: Tensor, areas: tuple[float, float], side: int) -> Tensor:
    """One view of each picture: [n, 3, S, S] -> [n, 3, side, side]

    It shows a share of the picture between the two `areas`, anywhere in it, every second one as
    in a mirror.
    """
    count, device = len(pictures), pictures.device
    area = between(areas, count, device)
    shape = between((math.log(SHAPES[0]), math.log(SHAPES[1])), count, device).exp()
    width, height = ((area * shape).sqrt().clamp(max=1), (area / shape).sqrt().clamp(max=1))
    right = between((-1.0, 1.0), count, device) * (1 - width)
    down = between((-1.0, 1.0), count, device) * (1 - height)
    mirrored = torch.where(torch.rand(count, device=device) < 0.5, -1.0, 1.0)
    zero = torch.zeros(count, device=device)
    where = torch.stack(
        [torch.stack([width * mirrored, zero, right], 1), torch.stack([zero, height, down], 1)], 1
    )  # [n, 2, 3]
    grid = functional.affine_grid(where, [count, 3, side, side], align_corners=False)
    return functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def recoloured(views: Tensor) -> Tensor:
    """Brighter or darker, flatter or sharper, some of them grey: [n, 3, S, S]"""
    count, device = len(views), views.device
    brightness, contrast = (
        between((1 - JITTER, 1 + JITTER), count, device)[:, None, None, None] for _ in range(2)
    )
    mean = views.mean((1, 2, 3), keepdim=True)
    views = ((views - mean) * contrast + mean) * brightness
    grey = (torch.rand(count, device=device) < GREY)[:, None, None, None]
    return torch.where(grey, views.mean(1, keepdim=True), views).clamp(0, 1)


def between(limits: tuple[float, float], count: int, device: torch.device) -> Tensor:
    """Numbers drawn evenly: [n]"""
    low, high = limits
    return low + (high - low) * torch.rand(count, device=device)

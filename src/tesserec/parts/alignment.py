"""Alignment: vectors of an old encoder in the space of a new one, without encoding again.

Relative representations (Moschella et al., ICLR 2023, arXiv:2209.15430): two encoders disagree
about coordinates, and agree about how alike things are. A vector is told by its cosines to anchors
that both have encoded, and cosines to the new anchors are turned back into coordinates by a
pseudo-inverse (Fiorellino et al., 2024, arXiv:2411.19719). Beside it, what is fitted to the same
anchors directly: a rotation (orthogonal Procrustes; Schoenemann, Psychometrika 1966) and a
least-squares map. All three are one matrix over centred vectors of unit length.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

import torch
from torch import Tensor
from torch.nn import functional

from tesserec.core.errors import BadRequest
from tesserec.parts.graphs import nearest

How = Literal["relative", "procrustes", "least_squares"]

BLOCK = 4096  # vectors that are compared with all others together


class Score(NamedTuple):
    """How well vectors are translated. A high cosine does not promise that neighbours are right."""

    cosine: float  # of translated and new, both centred; mean over items
    overlap: float  # of the k nearest to the new vector with those to the translated, a share
    recall: float  # share of items that are among the k nearest to their own translation
    cka: float  # linear CKA of old and new: how alike the spaces are, whatever the map


@dataclass(frozen=True, eq=False)
class Space:
    """What an encoder made of the anchors."""

    centre: Tensor  # [d]
    anchors: Tensor  # [m, d] centred, of unit length
    length: float  # of centred anchors, their mean

    @classmethod
    def of(cls, anchors: Tensor) -> Self:
        """From the anchors' vectors: [m, d]"""
        centre = anchors.float().mean(0)
        centred = anchors.float() - centre
        return cls(centre, functional.normalize(centred), float(centred.norm(dim=1).mean()))

    def relative(self, vectors: Tensor) -> Tensor:
        """Cosines to the anchors, all seen from their centre: [n, d] -> [n, m]"""
        return functional.normalize(vectors.float() - self.centre) @ self.anchors.T


@dataclass(frozen=True, eq=False)
class Aligner:
    """A map from an old space into a new one, and both as their anchors see them."""

    old: Space
    new: Space
    turn: Tensor  # [d_o, d_n]

    @classmethod
    def fit(
        cls,
        anchors_old: Tensor,
        anchors_new: Tensor,
        how: How = "relative",
        ridge: float = 1e-3,
    ) -> Self:
        """From the same anchors in both spaces: [m, d_o], [m, d_n]

        m of 2 to 4 times the wider of the two is a good start. `ridge` is a share of the mean
        eigenvalue of the anchors that is added to all, for anchors that are nearly collinear or
        few; a rotation needs none. Raises `BadRequest` for anchors that do not pair up, and for
        a rotation between spaces of different width.
        """
        if len(anchors_old) != len(anchors_new) or not len(anchors_old):
            raise BadRequest(
                f"{len(anchors_old)} old and {len(anchors_new)} new anchors do not pair up.",
                "Give the vectors of the same items in the same order.",
            )
        old, new = Space.of(anchors_old), Space.of(anchors_new)
        return cls(old, new, _turn(old.anchors.double(), new.anchors.double(), how, ridge).float())

    def translate(self, vectors: Tensor) -> Tensor:
        """Where items of the old space lie in the new one: [n, d_o] -> [n, d_n]

        The direction from the centre is turned; the distance from it is kept, but for the
        overall scale of the two spaces.
        """
        centred = vectors.float() - self.old.centre
        length = centred.norm(dim=1, keepdim=True) * (self.new.length / max(self.old.length, 1e-12))
        return self.new.centre + length * functional.normalize(centred @ self.turn)

    def translate_queries(self, vectors: Tensor) -> Tensor:
        """The same for vectors that meet items only in inner products, as users do: [n, d_n]

        They are turned and not moved: a shift of all items adds the same to all scores of a user.
        """
        length = vectors.float().norm(dim=1, keepdim=True)
        return length * functional.normalize(vectors.float() @ self.turn)

    def relative_old(self, vectors: Tensor) -> Tensor:
        """Cosines to the anchors in the old space, to compare with `relative_new`: [n, m]"""
        return self.old.relative(vectors)

    def relative_new(self, vectors: Tensor) -> Tensor:
        """Cosines to the anchors in the new space: [n, m]"""
        return self.new.relative(vectors)

    def score(self, valid_old: Tensor, valid_new: Tensor, k: int = 10) -> Score:
        """Both vectors of items that were no anchors: [n, d_o], [n, d_n]. Raises `BadRequest`."""
        if len(valid_old) != len(valid_new) or not 1 <= k < len(valid_old):
            raise BadRequest(f"{k} neighbours of {len(valid_old)} and {len(valid_new)} vectors.")
        translated, new = self.translate(valid_old), valid_new.float()
        centred = translated - self.new.centre, new - self.new.centre
        found, own = _found(translated, new, k)
        wanted, _ = nearest(new, k)
        overlap = (found[:, :, None] == wanted[:, None, :]).any(2).float().mean()
        return Score(
            float(functional.cosine_similarity(*centred).mean()),
            float(overlap),
            float(own.float().mean()),
            cka(valid_old, valid_new),
        )


def cka(one: Tensor, other: Tensor) -> float:
    """Linear centred kernel alignment of the same items: [n, d], [n, e] -> 0 to 1

    Kornblith et al., ICML 2019, arXiv:1905.00414. Blind to rotations and to the overall scale.
    """
    x, y = (vectors.double() - vectors.double().mean(0) for vectors in (one, other))
    own = (x.T @ x).norm() * (y.T @ y).norm()
    return float((x.T @ y).norm().square() / own.clamp(min=1e-300))


def _turn(old: Tensor, new: Tensor, how: How, ridge: float) -> Tensor:
    """[m, d_o], [m, d_n] -> [d_o, d_n]"""
    if how == "procrustes":
        if old.shape[1] != new.shape[1]:
            raise BadRequest(
                f"No rotation leads from {old.shape[1]} to {new.shape[1]} dimensions.",
                'Take how="relative" or "least_squares".',
            )
        left, _, right = torch.linalg.svd(old.T @ new)
        return left @ right
    if how == "least_squares":
        return _ridge_inverse(old, ridge) @ new
    return (_ridge_inverse(new, ridge) @ old).T


def _ridge_inverse(anchors: Tensor, ridge: float) -> Tensor:
    """(A^T A + r)^-1 A^T: [m, d] -> [d, m]"""
    gram = anchors.T @ anchors
    gram.diagonal().add_(ridge * float(gram.diagonal().mean()))
    return torch.linalg.lstsq(gram, anchors.T, driver="gelsd").solution


def _found(translated: Tensor, new: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k other items nearest to each translation [n, k], and if the item itself is [n]."""
    unit = functional.normalize(new)
    found, own = [], []
    for start in range(0, len(new), BLOCK):
        cosines = functional.normalize(translated[start : start + BLOCK]) @ unit.T
        rows = torch.arange(start, start + len(cosines))[:, None]
        mine = cosines.gather(1, rows)
        own.append((cosines > mine).sum(1) < k)
        found.append(cosines.scatter_(1, rows, -torch.inf).topk(k).indices)
    return torch.cat(found), torch.cat(own)

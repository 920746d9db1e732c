"""Alignment where the truth is known: the new space is the old one turned, scaled and moved."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from tesserec.core.errors import BadRequest
from tesserec.parts.alignment import Aligner, cka

WIDTH = 16
every_way = pytest.mark.parametrize("how", ["relative", "procrustes", "least_squares"])


def spaces(items: int, wider: int = 0, noise: float = 0.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random vectors, and the same after an orthogonal map (into more dimensions), 3 x + 1."""
    source = torch.Generator().manual_seed(seed)
    old = torch.randn(items, WIDTH, generator=source)
    square = torch.randn(WIDTH + wider, WIDTH + wider, generator=source)
    turn = torch.linalg.qr(square).Q[:WIDTH]
    blur = noise * torch.randn(items, WIDTH + wider, generator=source)
    return old, 3 * (old @ turn + blur) + 1


def aligned(old: Tensor, new: Tensor, count: int, how: str = "relative", **more) -> Aligner:
    return Aligner.fit(old[:count], new[:count], how, **more)


@every_way
def test_without_noise_the_new_vectors_are_found_lengths_and_all(how):
    old, new = spaces(200)
    found = aligned(old, new, 4 * WIDTH, how, ridge=0.0).translate(old)
    torch.testing.assert_close(found, new, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("how", ["relative", "least_squares"])
def test_a_wider_space_is_reached_too(how):
    old, new = spaces(200, wider=5)
    found = aligned(old, new, 4 * WIDTH, how, ridge=1e-9).translate(old)
    torch.testing.assert_close(found, new, rtol=1e-3, atol=1e-3)


@every_way
def test_with_noise_translated_vectors_still_find_their_items(how):
    """The smallest offline test of the method's card: m = 4 d, noise 0.05, items not seen."""
    old, new = spaces(2000, noise=0.05)
    count = 4 * WIDTH
    score = aligned(old, new, count, how).score(old[count:], new[count:], 10)
    assert score.recall >= 0.95
    assert score.cosine > 0.99
    assert score.overlap > 0.7
    untranslated = functional.normalize(old) @ functional.normalize(new - new.mean(0)).T
    ranks = (untranslated > untranslated.diagonal()[:, None]).sum(1)
    assert (ranks < 10).float().mean() < 0.05


@every_way
def test_the_error_falls_with_the_number_of_anchors(how):
    errors = []
    for count in (WIDTH, 2 * WIDTH, 4 * WIDTH, 16 * WIDTH):
        found = []
        for seed in range(5):
            old, new = spaces(1000, noise=0.2, seed=seed)
            aligner = aligned(old, new, count, how)
            found.append(float((aligner.translate(old[-500:]) - new[-500:]).norm(dim=1).mean()))
        errors.append(sum(found))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.8 * errors[0]


@every_way
def test_users_keep_their_order_of_items_and_their_length(how):
    old, new = spaces(200)
    users = torch.randn(50, WIDTH, generator=torch.Generator().manual_seed(1))
    found = aligned(old, new, 4 * WIDTH, how, ridge=0.0).translate_queries(users)
    torch.testing.assert_close(found.norm(dim=1), users.norm(dim=1))
    before, after = users @ old.T, found @ (new - 1).T
    torch.testing.assert_close(after, 3 * before, rtol=1e-3, atol=1e-2)
    assert torch.equal((found @ new.T).argmax(1), before.argmax(1))


@given(st.integers(0, 50), st.integers(0, 6))
def test_relative_vectors_agree_between_the_spaces_and_are_cosines_to_anchors(seed, wider):
    old, new = spaces(60, wider, seed=seed)
    aligner = aligned(old, new, 30)
    relative = aligner.relative_old(old[30:])
    torch.testing.assert_close(relative, aligner.relative_new(new[30:]), rtol=1e-3, atol=1e-4)
    centre = old[:30].mean(0)
    slow = functional.cosine_similarity(old[30:, None] - centre, old[None, :30] - centre, dim=2)
    torch.testing.assert_close(relative, slow)


def test_a_score_is_what_a_full_sort_says():
    old, new = spaces(40, noise=0.5)
    aligner, k = aligned(old, new, 20), 3
    score = aligner.score(old, new, k)
    moved = aligner.translate(old)
    shared, met = 0, 0
    for i in range(40):
        to_moved = functional.cosine_similarity(moved[i][None], new).tolist()
        to_new = functional.cosine_similarity(new[i][None], new).tolist()
        others = [j for j in range(40) if j != i]
        found = sorted(others, key=lambda j: -to_moved[j])[:k]
        shared += len({*found} & {*sorted(others, key=lambda j: -to_new[j])[:k]})
        met += i in sorted(range(40), key=lambda j: -to_moved[j])[:k]
    assert score.overlap == pytest.approx(shared / (40 * k))
    assert score.recall == pytest.approx(met / 40)
    assert 0 < score.overlap < 1
    centred = (table - new[:20].mean(0) for table in (moved, new))
    assert score.cosine == pytest.approx(float(functional.cosine_similarity(*centred).mean()))
    assert score.cka == pytest.approx(cka(old, new))


def test_cka_is_that_of_centred_kernels():
    old, new = spaces(30, noise=1.0)
    centring = torch.eye(30) - 1 / 30
    one, other = (centring @ table @ table.T @ centring for table in (old, new))
    expected = (one * other).sum() / (one.norm() * other.norm())
    assert cka(old, new) == pytest.approx(float(expected), rel=1e-4)
    assert cka(old, spaces(30)[1]) == pytest.approx(1.0)
    assert cka(old, torch.ones(30, 4)) == 0.0


def test_few_or_collinear_anchors_give_finite_vectors():
    old, new = spaces(100, wider=4)
    for count in (1, 2, WIDTH // 2):
        assert aligned(old, new, count).translate(old).isfinite().all()
    same = Aligner.fit(old[:1].repeat(9, 1), new[:1].repeat(9, 1))
    assert same.translate(old).isfinite().all()


def test_what_does_not_fit_is_refused():
    old, new = spaces(20, wider=2)
    with pytest.raises(BadRequest, match="pair up"):
        Aligner.fit(old[:5], new[:6])
    with pytest.raises(BadRequest, match="rotation"):
        Aligner.fit(old, new, "procrustes")
    with pytest.raises(BadRequest):
        Aligner.fit(old, new).score(old[:5], new[:5], 5)

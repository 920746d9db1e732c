"""Rows become short unit vectors."""

import numpy as np
import pytest

from tesserec.content.reduction import fitted_pca


def rows(count: int = 40, width: int = 12, seed: int = 0) -> np.ndarray:
    """Features of unlike size that go together."""
    draw = np.random.default_rng(seed)
    mixed = draw.standard_normal((count, width)) @ draw.standard_normal((width, width))
    return (mixed * np.logspace(-3, 4, width) + np.arange(width)).astype(np.float32)


def by_svd(learned: np.ndarray, block: np.ndarray, dim: int) -> np.ndarray:
    """Standardise, singular vectors, project, unit length: the definition."""
    mean, deviation = learned.mean(0, dtype=float), learned.std(0, dtype=float)
    _, _, axes = np.linalg.svd((learned - mean) / deviation, full_matrices=False)
    along = (block - mean) / deviation @ axes[:dim].T
    return along / np.linalg.norm(along, axis=1, keepdims=True)


def test_angles_between_vectors_are_those_of_singular_vectors():
    learned, others = rows(), rows(seed=1)
    vectors, expected = fitted_pca(learned, 5)(others), by_svd(learned, others, 5)
    assert vectors.dtype == np.float32
    assert np.allclose(vectors @ vectors.T, expected @ expected.T, atol=1e-5)
    assert np.allclose(np.abs(vectors), np.abs(expected), atol=1e-5)


def test_units_of_measure_do_not_matter():
    learned = rows()
    metres = fitted_pca(learned, 4)(learned)
    inches = fitted_pca(learned * 39.37 + 7, 4)(learned * 39.37 + 7)
    assert np.allclose(metres, inches, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_vectors_do_not_depend_on_how_rows_are_split_into_blocks(dtype: type):
    learned = rows()[:, 3:8].astype(dtype)
    reduce = fitted_pca(learned, 3)
    alone = np.concatenate([reduce(learned[row : row + 1]) for row in range(len(learned))])
    assert np.allclose(alone, reduce(learned), atol=1e-6)


def test_the_order_of_training_rows_changes_nothing():
    learned = rows()
    again = fitted_pca(learned[::-1], 5)(learned)
    assert np.allclose(fitted_pca(learned, 5)(learned), again, atol=1e-5)


def test_the_order_of_features_changes_nothing():
    learned = rows()
    order = np.random.default_rng(1).permutation(learned.shape[1])
    other = fitted_pca(learned[:, order], 5)(learned[:, order])
    assert np.allclose(fitted_pca(learned, 5)(learned), other, atol=1e-4)


@pytest.mark.parametrize("count", [2, 3, 6])
def test_few_rows_are_filled_up_with_zeros(count: int):
    learned = rows(count)
    vectors = fitted_pca(learned, 8)(learned)
    assert vectors.shape == (count, 8)
    assert (np.abs(vectors).max(0) > 0).tolist() == [k < count - 1 for k in range(8)]
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)


def test_a_feature_that_never_differs_in_training_is_left_out():
    learned = rows()
    with_constant = np.insert(learned, 4, 0.1, axis=1)
    later = with_constant.copy()
    later[:, 4] = 1e6
    assert np.allclose(
        fitted_pca(with_constant, 5)(later), fitted_pca(learned, 5)(learned), atol=1e-5
    )


@pytest.mark.parametrize("count", [1, 5])
def test_rows_that_are_all_equal_become_zeros(count: int):
    learned = np.repeat(rows(1), count, 0)
    assert not fitted_pca(learned, 3)(learned).any()


def test_rows_on_the_disk_are_read_block_by_block(tmp_path):
    learned = rows(9000, 5)
    np.save(tmp_path / "rows.npy", learned)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    vectors, expected = fitted_pca(mapped, 3)(learned[:50]), by_svd(learned, learned[:50], 3)
    assert np.allclose(vectors @ vectors.T, expected @ expected.T, atol=1e-4)

"""The tree of ids, walked: against a look at every item."""

import numpy as np
import pytest

from tesserec.serve.pages import codes

TABLE = np.random.default_rng(0).integers(0, 3, (40, 3))
WORTH = np.random.default_rng(1).permutation(40)


@pytest.mark.parametrize("prefix", [[], [0], [2], [1, 2], [0, 0]])
def test_children_are_what_follows_a_prefix_the_largest_first(prefix: list[int]) -> None:
    rows = [row for row in range(40) if TABLE[row, : len(prefix)].tolist() == prefix]
    slow = {}
    for row in rows:
        slow.setdefault(int(TABLE[row, len(prefix)]), []).append(row)
    found = codes.children(TABLE, prefix, WORTH, 2)
    assert [(one.token, one.count) for one in found] == sorted(
        ((token, len(some)) for token, some in slow.items()), key=lambda one: (-one[1], one[0])
    )
    for one in found:
        best = sorted(slow[one.token], key=lambda row: -WORTH[row])[:2]
        assert list(one.examples) == best


def test_siblings_share_more_first_tokens_than_all_others() -> None:
    def shared(one: int, other: int) -> int:
        same = [bool(a == b) for a, b in zip(TABLE[one], TABLE[other], strict=True)]
        return [*same, False].index(False)

    for row in range(40):
        most = max(shared(row, other) for other in range(40) if other != row)
        count, rows = codes.siblings(TABLE, row)
        assert count == most
        assert rows == [n for n in range(40) if most and n != row and shared(row, n) == most]


def test_a_prefix_is_read_as_it_was_written() -> None:
    for prefix in ([], [3], [3, 12, 7]):
        assert codes.read(codes.written(prefix)) == prefix

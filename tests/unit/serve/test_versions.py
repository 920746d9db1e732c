"""What versions are called."""

import pytest

from tesserec.serve.keeping import Version, stem_of


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("best-0123abcd", "best-0123abcd"),
        ("best-0123abcd+2", "best-0123abcd"),
        ("a+1-0123abcd+12", "a+1-0123abcd"),
        ("a+1", "a+1"),
    ],
)
def test_a_version_has_a_stem_that_additions_do_not_change(name: str, stem: str) -> None:
    assert stem_of(name) == Version(name, "").stem == stem

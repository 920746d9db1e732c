"""AudioStatistics: what its vectors hear in recordings of spoken digits.

Settings were chosen within the training part: takes 2-3 asked, takes 4-9 answered.
"""

from pathlib import Path

import numpy as np
import pytest

import tesserec as tr
from claims.harness import check_claim, folder
from tesserec.content.audio import AudioStatistics
from tesserec.content.folder import encode_folder
from tesserec.core import Dataset
from tesserec.data.importing import import_data

pytestmark = pytest.mark.claims

CHANCE = 0.1
ONE = (0,)  # nothing is drawn


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    out: Path = tmp_path_factory.mktemp("digits") / "data"
    import_data(folder("spoken-digits-audio"), out)
    encode_folder(out, AudioStatistics())
    return tr.read(out)


def test_the_nearest_recording_says_the_same_digit(digits: Dataset) -> None:
    check_claim(
        method="AudioStatistics",
        claim="the nearest recording says the same digit, from other speakers far above chance",
        setting="spoken-digits-audio: takes 0-1 ask, takes 2-9 answer, cosine; PCA of takes 2-9",
        metric="share of nearest neighbours with the same digit",
        rows={
            "any speaker": lambda seed: agreement(digits, other_speakers=False),
            "other speakers only": lambda seed: agreement(digits, other_speakers=True),
            "chance": lambda seed: CHANCE,
        },
        holds=lambda mean: (
            mean["any speaker"] > 0.8 and mean["other speakers only"] > 4 * mean["chance"]
        ),
        seeds=ONE,
    )


def agreement(data: Dataset, other_speakers: bool) -> float:
    """How often a test recording and its nearest one of the training part share the digit."""
    facts = data.catalog.items.features
    vectors = data.catalog.items.vectors["audio"].numpy()
    asks = (facts["split"] == "test").to_numpy()
    speaker, digit = facts["speaker"].to_numpy(), facts["digit"].to_numpy()
    alike = vectors[asks] @ vectors[~asks].T
    if other_speakers:
        alike[speaker[asks][:, None] == speaker[~asks]] = -np.inf
    return float((digit[~asks][alike.argmax(1)] == digit[asks]).mean())

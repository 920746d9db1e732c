"""The shipped data set: purchases in a British gift shop (UCI Online Retail, CC BY 4.0).

Its attribution is in ATTRIBUTION.md beside the tables; scripts/make_sample.py made them.
"""

from pathlib import Path

from tesserec.core import Dataset
from tesserec.data import format

SAMPLE = Path(__file__).parent


def sample() -> Dataset:
    """Real times, titles, prices, countries, and a published split by time."""
    return format.read(SAMPLE)

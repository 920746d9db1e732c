"""Make the shipped sample from the folder `online-retail` below TESSEREC_DATA.

TESSEREC_DATA=... python scripts/make_sample.py
"""

import os
import shutil
import tempfile
from pathlib import Path

from tesserec.data.importing import import_data
from tesserec.data.sample import SAMPLE

FILES = ("dataset.json", "interactions.parquet", "items.parquet", "users.parquet")
MOST = 6_000_000  # bytes


def main() -> None:
    """Import the source into a folder aside and put its files into the package."""
    source = Path(os.environ["TESSEREC_DATA"]) / "online-retail"
    with tempfile.TemporaryDirectory() as aside:
        made = Path(aside) / "sample"
        report = import_data(source, made)
        size = sum((made / name).stat().st_size for name in FILES)
        if size > MOST:
            raise SystemExit(f"The sample has {size:,} bytes, more than {MOST:,}.")
        for name in FILES:
            shutil.copyfile(made / name, SAMPLE / name)
    print("\n".join(report.lines()))
    print(f"{size:,} bytes in {SAMPLE}")


if __name__ == "__main__":
    main()

"""Models written for other programs."""

from tesserec.recommenders.export.faiss import Faiss
from tesserec.recommenders.export.format import Format, export
from tesserec.recommenders.export.onnx import Onnx
from tesserec.recommenders.export.parquet import Parquet

__all__ = ["Faiss", "Format", "Onnx", "Parquet", "export"]

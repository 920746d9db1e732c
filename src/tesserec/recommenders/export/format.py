"""Format: what a model is written as for other programs."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tesserec.core import Answering, Spec
from tesserec.core.errors import CannotAnswer
from tesserec.core.files import replacing_folder, write_json
from tesserec.recommenders.product import ProductRecommender

FACTS = "export.json"


class Format(Spec):
    """One way to write a model's vectors, its search or its network."""

    @abstractmethod
    def write(self, model: ProductRecommender, folder: Path) -> Mapping[str, Any]:
        """Into an empty folder; what should be known of it.

        Raises `CannotAnswer` for a model that cannot be written so.
        """


def export(model: Answering, form: Format, out: Path) -> Mapping[str, Any]:
    """Write a folder with checksums, whole or not at all.

    Raises `CannotAnswer` for a model that does not answer by inner products of vectors, and where
    the format says so.
    """
    name = type(model.method or model).__name__
    if not isinstance(model, ProductRecommender):
        raise CannotAnswer(
            f"{name} cannot be exported: it does not answer by products of vectors.",
            "Export a model with vectors, such as MF, LightGCN or SASRec; or a part of a pipeline.",
        )
    with replacing_folder(out) as aside:
        facts = {"format": type(form).__name__.lower(), "method": name, **form.write(model, aside)}
        write_json(aside / FACTS, facts)
    return facts

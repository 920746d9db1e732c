import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tesserec.core import Method, Spec, registry
from tesserec.core.errors import BadSpec
from tesserec.methods.collaborative.lightgcn import LightGCN
from tesserec.parts.objectives import Objective
from tesserec.parts.semantic_ids import Quantizer

Plugin = Callable[..., None]


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plugin]:
    """Write a package, file by file, and make it known by an entry point."""

    def write(package: str, *more: str, **files: str) -> None:
        (tmp_path / package).mkdir()
        for name, text in {"__init__": "", **files}.items():
            (tmp_path / package / f"{name}.py").write_text(text)
        points = [SimpleNamespace(value=value) for value in (package, *more)]
        monkeypatch.setattr(registry, "entry_points", lambda group: points)
        registry.catalogue.cache_clear()

    monkeypatch.syspath_prepend(tmp_path)
    yield write
    monkeypatch.undo()
    registry.catalogue.cache_clear()


LOUD = """
from tesserec.parts.objectives import Objective


class Loud(
    Objective,
):
    def __call__(self, scores):
        return scores.positive
"""


def test_a_package_outside_joins_by_an_entry_point(plugin):
    plugin("outside_one", loud=LOUD)
    assert "outside_one.loud" not in sys.modules  # looked at, not imported
    assert "Loud" in registry.catalogue()
    assert registry.find("loud", Objective).__module__ == "outside_one.loud"
    assert "Loud" in [kind.__name__ for kind in registry.every(Objective)]


def test_two_classes_of_one_name_are_an_error(plugin):
    plugin("outside_two", ease="from tesserec.core import Spec\n\n\nclass EASE(Spec):\n    pass\n")
    with pytest.raises(BadSpec, match="Two classes are called EASE") as refused:
        registry.find("EASE")
    assert "outside_two.ease" in str(refused.value)
    assert "tesserec.methods.collaborative.ease" in str(refused.value)


def test_two_classes_whose_names_differ_in_case_alone_are_an_error(plugin):
    plugin("outside_three", own="from tesserec.core import Spec\n\n\nclass Ease(Spec):\n    pass\n")
    with pytest.raises(BadSpec, match="Two classes"):
        registry.find("EASE")


def test_a_package_that_is_named_twice_is_read_once(plugin):
    plugin("outside_four", "outside_four", loud=LOUD)
    assert registry.find("Loud", Objective)


def test_a_layer_of_torch_is_no_description_that_shares_its_name(plugin):
    """`schedule.Linear` is a spec, and `nn.Linear` is not."""
    text = "from torch import nn\nclass Wide(nn.Linear):\n    ...\n"
    plugin("outside_layers", wide=text)
    assert "Wide" not in registry.catalogue()
    assert "Linear" in registry.catalogue()


def test_classes_that_are_no_descriptions_may_share_a_name(plugin):
    plugin("outside_five", net="class Network:\n    pass\n\n\nclass MF:\n    pass\n")
    assert registry.find("MF", Method).__module__ == "tesserec.methods.collaborative.mf"


@pytest.mark.parametrize("name", ["LightGCN", "lightgcn", "LIGHTGCN"])
def test_a_class_is_found_by_its_name_in_any_case(name):
    assert registry.find(name, Method) is LightGCN


def test_a_class_of_this_file_is_found_though_no_scan_saw_it():
    class FoundAlive(Spec):
        pass

    assert registry.find("foundalive") is FoundAlive
    with pytest.raises(BadSpec, match="There is no Method called 'FoundAlive'"):
        registry.find("FoundAlive", Method)


def test_what_is_not_there_is_refused_with_the_nearest_name():
    with pytest.raises(BadSpec, match="did you mean 'LightGCN'"):
        registry.find("LightGNC", Method)
    with pytest.raises(BadSpec, match="There is no Objective called 'EASE'"):
        registry.find("EASE", Objective)


def test_what_others_are_made_of_is_not_offered():
    with pytest.raises(BadSpec, match="There is no Quantizer called 'VectorQuantizer'") as told:
        registry.find("VectorQuantizer", Quantizer)
    assert str(told.value).count("VectorQuantizer") == 1


def test_every_method_is_concrete_and_knows_its_family():
    kinds = {kind.__name__ for kind in registry.every(Method)}
    assert {"EASE", "LightGCN", "MF", "BM3", "Popular", "ItemKNN", "ALS"} <= kinds
    assert not kinds & {"Method", "Learner", "Strategy", "ClosedForm"}
    families = {entry.name: entry.family for entry in registry.kinds_of("Method")}
    assert families["LightGCN"] == "collaborative"
    assert families["BM3"] == "multimodal"


def in_a_fresh_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.strip()


def test_importing_the_engine_imports_nothing_heavy():
    heavy = "{'torch', 'polars', 'numba', 'pydantic', 'scipy', 'sklearn', 'numpy'}"
    assert in_a_fresh_python(f"import tesserec, sys; print({heavy} & set(sys.modules))") == "set()"


def test_the_scan_imports_no_method():
    found = in_a_fresh_python(
        "import sys\n"
        "from tesserec.core import registry\n"
        "assert 'LightGCN' in registry.catalogue()\n"
        "above = ('methods', 'parts', 'training', 'recommenders', 'data', 'evaluate')\n"
        "print([m for m in sys.modules if m.startswith(tuple(f'tesserec.{a}' for a in above))])"
    )
    assert found == "[]"

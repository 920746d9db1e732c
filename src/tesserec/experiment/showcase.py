"""The demo: the shipped study on the shipped sample."""

import tomllib
from importlib import resources
from pathlib import Path

from tesserec.evaluation import Comparison
from tesserec.experiment.example import Example, write_example
from tesserec.experiment.page import write_page
from tesserec.experiment.preparing import prepare
from tesserec.experiment.running import Options
from tesserec.experiment.study import Study
from tesserec.experiment.studying import run_study

QUICK_EPOCHS = 3


def demo_study(quick: bool = False) -> Study:
    """The study `demo.toml`; `quick` trains for a few epochs only, and says so."""
    text = resources.files("tesserec.experiment").joinpath("studies/demo.toml").read_text("utf-8")
    study = Study.from_dict(tomllib.loads(text))
    if not quick:
        return study
    methods = tuple(
        method.changed({"schedule": {"epochs": QUICK_EPOCHS}})
        if "schedule" in type(method).model_fields
        else method
        for method in study.methods
    )
    note = f"{study.notes} Quick: {QUICK_EPOCHS} epochs, far from what the methods reach."
    return study.changed({"methods": methods, "notes": note})


def run_demo(study: Study, folder: Path, options: Options) -> tuple[Comparison, Example]:
    """Run the study, then ask the best model for one customer."""
    found = run_study(study, folder, options)
    example = write_example(folder, prepare(study, content=False))
    write_page(folder)
    return found, example


def free_folder(wanted: Path) -> Path:
    """`runs/demo`, or `runs/demo-2` and so on where that is taken."""
    folder, number = wanted, 1
    while folder.exists() and any(folder.iterdir()):
        number += 1
        folder = wanted.with_name(f"{wanted.name}-{number}")
    return folder

"""`tesserec demo`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tesserec.cli.console import Console, Debug, Json, Quiet

if TYPE_CHECKING:
    from tesserec.experiment.example import Example


def demo(
    quick: Annotated[bool, typer.Option("--quick", help="Few epochs: half a minute.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="RUN", help="The run folder.")] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """A whole study on the shipped sample: data, four methods, tests, recommendations, a report."""
    from tesserec.cli.tables import show_comparison
    from tesserec.data.describe import describe
    from tesserec.data.sample import sample
    from tesserec.experiment.running import Options
    from tesserec.experiment.showcase import demo_study, free_folder, run_demo

    console = Console(json, quiet)
    folder = out or free_folder(Path("runs") / "demo")
    if not json:
        print("\n".join(describe(sample()).lines()), end="\n\n", flush=True)
    found, example = run_demo(demo_study(quick), folder, Options(progress=console.progress))
    show_comparison(console, found)
    if not json:
        _show(console, example)
    report = folder / "report.html"
    value = {"run": str(folder), "report": str(report), "example": example, **found.to_dict()}
    console.answer(value, f"report: {report}\nmodel:  {folder / 'model'}")
    console.say(
        "next: tesserec recommend "
        f"{folder} --user {example['user']}   or your own data: tesserec data import FILE FOLDER"
    )


def _show(console: Console, example: "Example") -> None:
    """What a customer bought, and what is suggested."""
    print(f"\nCustomer {example['user']} bought, among {example['events']} items:")
    for item in example["history"]:
        print(f"    {item['title']}")
    rows = [
        [n, one["title"], f"{one['score']:.3f}", "yes" if one["hit"] else ""]
        for n, one in enumerate(example["answers"], 1)
    ]
    console.table(["", f"{example['method']} suggests", "score", "bought later"], rows)

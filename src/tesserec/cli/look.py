"""`tesserec methods` and `doctor`."""

from typing import Annotated

import typer

from tesserec.cli.console import Console, Debug, Json, Quiet


def methods(
    family: Annotated[str | None, typer.Option(help="Only this family.")] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Every method: family, paper, what it needs, and its fields with defaults."""
    from tesserec.core.errors import BadSpec
    from tesserec.core.spec import nearest
    from tesserec.experiment.catalogue import method_entries

    console = Console(json, quiet)
    entries = method_entries()
    families = {entry["family"] for entry in entries}
    if family is not None and family not in families:
        raise BadSpec(f"There is no family {family!r}{nearest(family, families)}.")
    chosen = [entry for entry in entries if family in (None, entry["family"])]
    for entry in chosen if not json else []:
        needs = f"  needs {', '.join(entry['needs'])}" if entry["needs"] else ""
        print(f"{entry['name']}  ({entry['family']}){needs}\n  {entry['paper']}")
        for field in entry["fields"]:
            about = f"  # {field['about']}" if field["about"] else ""
            print(f"    {field['name']} = {field['shown']}{about}")
        print()
    console.answer({"methods": chosen})


def doctor(json: Json = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """Versions, devices, extras, and the command that adds what is missing."""
    from tesserec.experiment.doctor import examine

    console = Console(json, quiet)
    found = examine()
    rows = [[check["name"], check["found"], check["advice"]] for check in found["checks"]]
    console.table(["", "found", "advice"], rows)
    console.answer(found)
    if not found["healthy"]:
        raise typer.Exit(1)

"""All commands, and what happens when one goes wrong."""

import json
import sys
from collections.abc import Sequence
from typing import cast

import typer

from tesserec.cli import (
    ask,
    compose,
    data,
    demo,
    encode,
    export,
    fit,
    forget,
    look,
    monitor,
    serve,
    study,
    tokenize,
    update,
)

app = typer.Typer(
    name="tesserec",
    help="An engine for recommender systems. Start with: tesserec demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(data.app, name="data")
for command in (
    encode.encode,
    tokenize.tokenize,
    fit.fit,
    fit.evaluate,
    fit.compare,
    compose.compose,
    ask.recommend,
    ask.similar,
    ask.explain,
    export.export,
    study.run,
    study.tune,
    serve.serve,
    monitor.monitor,
    update.update,
    forget.forget,
    look.methods,
    look.doctor,
    demo.demo,
):
    app.command()(command)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        return int(app(list(arguments), standalone_mode=False) or 0)
    except (typer.Abort, KeyboardInterrupt):
        print("Stopped. What was finished is kept; --resume goes on.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 1
    except Exception as error:
        # Typer's usage errors, by what they can do: where their classes live differs by version.
        show = getattr(error, "show", None)
        if show is not None:
            show()
            return int(getattr(error, "exit_code", 2))
        if "--debug" in arguments:
            raise
        return _failed(error, as_json="--json" in arguments)


def _failed(error: Exception, as_json: bool) -> int:
    """One line of cause and one of cure."""
    from tesserec.core.errors import BadSpec, TesserecError
    from tesserec.core.files import closed

    if isinstance(error, TesserecError):
        cause, cure = error.cause, error.cure
    elif (place := closed(error)) is not None:
        cause = f"{place} is closed to this command: {cast(OSError, error).strerror}."
        cure = "Open it to reading and writing, or name another place."
    else:
        cause = f"{type(error).__name__}: {error}"
        cure = "This should not happen: run it again with --debug and report what it prints."
    print(f"error: {cause}", file=sys.stderr)
    if cure:
        print(f"  try: {cure}", file=sys.stderr)
    if as_json:
        print(json.dumps({"error": cause, "cure": cure}))
    return 2 if isinstance(error, BadSpec) else 1

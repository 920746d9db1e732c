"""The command line. Every command is one call into the packages below."""

import sys


def main() -> None:
    """Run the command that was typed. Exit code 0: done, 1: failed, 2: wrong use."""
    from tesserec.cli.app import run

    sys.exit(run(sys.argv[1:]))

"""`python -m tesserec` is the command `tesserec`."""

from tesserec.cli import main

main()

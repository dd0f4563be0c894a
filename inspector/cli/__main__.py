"""`python -m inspector.cli` is the command `inspector`."""

from inspector.cli.main import main

main()

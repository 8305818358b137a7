"""`python -m cinegrain`."""

from cinegrain.cli.main import main

main()

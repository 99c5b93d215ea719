"""`python -m movie_cli`: the same as `movie`."""

import sys

from movie_cli.cli import main

if __name__ == "__main__":
    sys.exit(main())

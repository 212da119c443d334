"""`python -m anysense`: the command line."""

import sys

from anysense.runs.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m bench PART`: measure speed and memory, side by side with a reference in the same run."""

import sys

from bench.command import main

sys.exit(main())

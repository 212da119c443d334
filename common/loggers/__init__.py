"""Where the numbers of a training go while it runs: one file per logger."""

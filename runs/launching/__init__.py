"""Independent jobs of one run, done by a launcher: on this machine, on a Ray cluster, by SLURM.

A launcher decides where jobs are done, never what they find: their folders, results and reports are the same, and a run
that one launcher has begun goes on with any other.
"""

"""Hand-tuned computations, each at least 1.3 times as fast on a CPU as its plain form: `python -m bench kernels`."""

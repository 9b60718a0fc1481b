"""What runs in an environment's own interpreter, Python 3.8 and newer: the standard library and nothing else."""

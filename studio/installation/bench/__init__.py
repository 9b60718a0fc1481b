"""How much the studio adds to the work: every figure beside the same work done by bare processes in the same run."""

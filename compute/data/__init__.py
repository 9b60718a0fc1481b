"""How data of any store reaches a step on this machine, and how what the step wrote gets back."""

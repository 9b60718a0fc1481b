"""What a node does itself, instead of a command: programs of the studio's own that open datastores.

Each is a function of an installed module, `work(order)`, registered by name; it runs in a process of its own, so that a
cancel, a time limit, a memory limit and a lost lease end it as they end any step. The order comes over a pipe, with the
credentials of those datastores alone that the job names; what the function prints is the step's log.
"""

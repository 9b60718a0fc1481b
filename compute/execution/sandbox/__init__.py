"""What a step can reach of its machine: its own folders, its inputs, the system's programs, and nothing else.

`find_isolation` says, when a node starts, whether bubblewrap can do that here. `plan_for` says what one attempt may
see, `launch` starts its command so. Where it can't be done, steps are isolated by process only, and that is said.
"""

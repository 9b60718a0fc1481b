"""Interpreters that are ready: a step that imports what the last steps of its environment imported starts at once.

A *nest* is a process of an environment's own interpreter that has imported those modules. It forks *spares*, each of
which becomes one step and nothing else. Forking was chosen over interpreters that each import everything by themselves:
those would cost the node the whole import for every step, only earlier, and the memory of it for each; a fork of a nest
with pandas and scikit-learn costs a few milliseconds and shares its pages. What speaks against forking (threads and
open files that a library got when it was imported, or what it noted of its process) is looked for in a *probe* before.

`inside` is what runs in the environment's interpreter, `nests` is the node's side of it, `pool` decides which nests
there are, `eligible` which steps may be warm, `learning` what is worth importing, `folders` where they may write.
"""

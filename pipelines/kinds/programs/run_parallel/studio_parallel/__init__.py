"""The parts of the program that runs batches: what they are, who works on them, what becomes of their results.

Planning (`planning`, `files`, `rows`), the work of one process (`worker`, `results`) and the joining of results
(`joining`) know nothing of one another: `running` and `pool` bring them together on one node. Of several, each has a
part of the batches (`sharing`), and what they leave is put together at the end (`uniting`).
"""

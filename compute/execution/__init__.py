"""Runs one attempt of a job on this machine: environment, working folder, process, outputs."""

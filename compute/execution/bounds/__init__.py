"""Limits of a step's whole process tree: the kernel's where it lends them, else the studio's own watch."""

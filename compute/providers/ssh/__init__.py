"""Nodes on machines that are reached by SSH: the studio installs itself there, and starts, finds and ends them."""

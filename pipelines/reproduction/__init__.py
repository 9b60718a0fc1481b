"""A step that ran, as an archive that runs it again on any machine with a shell and Python."""

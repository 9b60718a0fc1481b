"""What a step says of its own run: read from its spool as it comes, kept in chunks, drawn without reading them all."""

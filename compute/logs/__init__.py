"""The log store: what jobs say, kept in order, read at any place however long it is."""

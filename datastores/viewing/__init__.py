"""How a file of any kind is shown: as much of it as fits a page, and nothing of it is ever run."""

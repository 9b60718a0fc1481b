"""Tables: what a tabular dataset is made of, and how its rows are read."""

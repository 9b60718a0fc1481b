"""Training: searches of values in `hyperdrive`, scripts with their packages in `estimator`."""

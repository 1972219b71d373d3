"""What `make bench` measures: ratios within one run, never seconds compared with those of another day."""

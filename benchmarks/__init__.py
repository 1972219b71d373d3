"""What `make bench` measures: ratios within one run, never seconds against another day's."""

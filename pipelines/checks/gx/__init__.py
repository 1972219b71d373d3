"""How Great Expectations runs on DuckDB."""

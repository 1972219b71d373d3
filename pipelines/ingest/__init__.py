"""Delivery to raw: reading what was delivered, and landing it as immutable Parquet with provenance."""

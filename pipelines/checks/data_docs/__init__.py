"""Check results and documentation as pages."""

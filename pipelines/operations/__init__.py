"""What keeps an installation healthy: its state, its diagnosis, its UI, and what is deleted."""

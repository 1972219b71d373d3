"""From one delivered file to a draft source: what the file holds, what it means here, and the files that say so."""

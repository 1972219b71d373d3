"""From a delivered file to a draft source: what the file contains, what that means here, and the files written."""

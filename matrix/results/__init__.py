"""What was observed: one row per trial, in SQLite. Conclusions are drawn elsewhere, each time anew."""

"""Running a sweep: its pipeline, one trial of it, Ctrl-C, what a terminal shows meanwhile."""

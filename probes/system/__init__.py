"""What the operating system says of a run: processes, control groups, GPUs, open files. Nothing here judges."""

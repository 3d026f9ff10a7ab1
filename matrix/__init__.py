"""When does it happen? Sweeps over environments, devices, settings and library versions."""

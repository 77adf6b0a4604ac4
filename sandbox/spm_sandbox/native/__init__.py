"""One small module for each facility of the kernel that confinement stands on."""

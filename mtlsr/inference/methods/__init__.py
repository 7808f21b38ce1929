"""What can be measured: interpolation, networks of this and other projects, ready images."""

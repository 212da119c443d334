"""What a release is checked by: distributions in empty environments, other interpreters, the lowest versions."""

"""Missing and corrupted modalities."""

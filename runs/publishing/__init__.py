"""Putting an exported agent or representation on a hub: what goes there, its model card, the calls."""

"""Hyperhot: a ship at the bottom, enemies above that move together and shoot; it can be seen and heard."""

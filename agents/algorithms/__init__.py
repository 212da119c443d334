"""Reinforcement learning algorithms and their settings."""

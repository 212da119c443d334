"""The multimodal pendulum."""

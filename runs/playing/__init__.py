"""A window in which a person drives a world by hand, or lets an agent act, and switches its modalities on and off."""

"""A robot that seeks a post, and what else a package can add to anysense."""

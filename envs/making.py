"""Making environments of any Gymnasium id: single or vectorised, with chosen modalities, errors that name the cause."""

__all__ = ["make_single", "make_vector"]

"""Networks, one file per benchmark."""

"""Settings of the methods, apart from the methods: reading them imports no torch."""

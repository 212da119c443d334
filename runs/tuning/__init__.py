"""The search over settings: what is searched, the journal that drivers share, trials as jobs, and the report."""

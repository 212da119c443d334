"""Comparisons: jobs, records and reports."""

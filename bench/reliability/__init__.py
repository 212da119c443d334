"""Campaigns against the program: kills, full disks, hostile files, wrong calls, repeats, long use."""

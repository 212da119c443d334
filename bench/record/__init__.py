"""The numbers that the program computes, bit for bit: recorded before and after a change that must not alter them.

``python -m bench.record OUT.json`` records, ``python -m bench.record.compare BEFORE.json AFTER.json`` compares.
"""

"""The command line of anysense: one module per command, run folders, tables, figures and reports."""

"""A report as one page of HTML that holds everything it shows: tables, charts, clips, commands, and the values."""

"""Print the tables in Markdown: `python -m faults`, in `tests`."""

from faults.tables import TABLES

print("\n\n".join(map(str, TABLES)))

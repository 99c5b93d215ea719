"""What maintainers make the documents' tables, sheets and figures with: `python -m tools.NAME` in a checkout."""

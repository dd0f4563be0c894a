"""A run on disk, its tables, and the report that holds both."""

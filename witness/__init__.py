"""What outsiders run. Imports `core` and nothing else of the project."""

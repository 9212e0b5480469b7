"""Everything that anyone signs: frozen dataclasses with one canonical form and one digest."""

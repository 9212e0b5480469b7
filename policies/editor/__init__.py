"""The policy editor: sections of a draft as typed forms. The draft itself stays one JSON document."""

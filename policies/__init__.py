"""The policy engine for admins: versions, drafts, decisions, limits."""

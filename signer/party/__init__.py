"""A party of a threshold wallet: a full signer that verifies every case itself before it takes part in a session."""

"""What every test with a real browser needs."""

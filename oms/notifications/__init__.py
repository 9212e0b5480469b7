"""Telling people what waits for them, by e-mail and webhook. What is told holds no secret and leads nowhere."""

"""The way to the parties of a shared key: asked together, believed nothing, and told what they missed."""

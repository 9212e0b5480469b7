"""Talking to nodes: transport, one client for each node, and the order in which a chain's nodes are asked."""

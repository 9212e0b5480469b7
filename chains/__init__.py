"""The blockchain node manager: chains, nodes, assets, reads, fees, simulation."""

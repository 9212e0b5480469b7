"""Rows of chains: configuration, how nodes do, what they contradicted each other about, prices."""

from chains.models.base import ASSET_VALIDATOR, CHAIN_VALIDATOR, Asset, Chain, Node
from chains.models.nodes import ChangeStatus, NodeChange, NodeDisagreement, NodeHealth

__all__ = [
    "ASSET_VALIDATOR",
    "CHAIN_VALIDATOR",
    "Asset",
    "Chain",
    "ChangeStatus",
    "Node",
    "NodeChange",
    "NodeDisagreement",
    "NodeHealth",
]

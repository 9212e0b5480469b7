"""Rows of chains: configuration, how nodes do, what they contradicted each other about, prices."""

from chains.models.base import ASSET_VALIDATOR, CHAIN_VALIDATOR, Asset, Chain, Node
from chains.models.nodes import ChangeStatus, NodeChange, NodeDisagreement, NodeHealth
from chains.models.prices import FeedKind, PriceFeed, PriceObservation, PriceRule

__all__ = [
    "ASSET_VALIDATOR",
    "CHAIN_VALIDATOR",
    "Asset",
    "Chain",
    "ChangeStatus",
    "FeedKind",
    "Node",
    "NodeChange",
    "NodeDisagreement",
    "NodeHealth",
    "PriceFeed",
    "PriceObservation",
    "PriceRule",
]

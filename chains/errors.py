"""What can go wrong with a node, told apart by what it means for money."""

from __future__ import annotations


class ChainsError(Exception):
    """Base of every error of this app."""


class UnknownChainError(ChainsError):
    """The chain is not configured."""


class NoNodeError(ChainsError):
    """No enabled node of the chain gave an answer; the message names each node's reason."""


class ChangeDecidedError(ChainsError):
    """The proposed change was confirmed or withdrawn already."""


class SamePersonError(ChainsError):
    """It takes a second person."""


class NodeError(ChainsError):
    """Base of what one node does wrong."""

    def __init__(self, label: str, message: str) -> None:
        """Name the node.

        Args:
            label: The node's label, never its URL (which may hold a key).
            message: What happened, in one sentence.
        """
        super().__init__(f"{label}: {message}")
        self.label = label
        self.message = message


class EndpointError(NodeError):
    """The node's own settings are wrong, so nothing was sent to it."""


class NodeDownError(NodeError):
    """The request certainly did not reach the node."""


class NodeTimeoutError(NodeError):
    """The connection broke or took too long after it stood: nobody knows what the node did."""


class NodeAnswerError(NodeError):
    """The answer is not what the protocol allows: HTML, half a JSON, too large, wrong shape."""


class NodeRefusalError(NodeError):
    """The node understood and said no (a JSON-RPC error object)."""

    def __init__(self, label: str, message: str, code: int, data: object = None) -> None:
        """Keep code and data, which may hold a revert reason."""
        super().__init__(label, message)
        self.code = code
        self.data = data


class WrongChainError(NodeError):
    """The node serves another chain: it is stopped until a person looks at it."""


class AmbiguousSendError(NodeError):
    """Whether the node took the transaction is unknown. Never a failure: the same bytes are sent again."""


class NoQuorumError(ChainsError):
    """Too few nodes gave an answer that others share. Nothing is known, so nothing is assumed."""


class NodesDisagreeError(NoQuorumError):
    """Nodes answered, and contradict each other."""


class ProofError(ChainsError):
    """What a node says does not follow from the block that it names."""


class NotIncludedError(ProofError):
    """The block is proven, and the transaction is not in it."""


class PriceError(ChainsError):
    """A feed cannot say a price; the message says why, without its address."""


class IdentityError(ChainsError):
    """What a contract is cannot be told, or it contradicts itself."""


class SimulationError(ChainsError):
    """Base of what a simulation does wrong."""


class NoSimulationError(SimulationError):
    """No node of the chain can simulate. Nothing is known about the effects, so nothing is assumed."""

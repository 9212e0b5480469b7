"""Chains, the nodes that serve them, and the assets that move on them."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from core.names import CHAIN, chain_number

CHAIN_VALIDATOR = RegexValidator(rf"\A(?:{CHAIN.pattern})\Z", "A CAIP-2 name such as eip155:1 is expected.")
ASSET_VALIDATOR = RegexValidator(
    r"\Aeip155:[1-9][0-9]{0,15}/(?:slip44:60|erc20:0x[0-9a-fA-F]{40})\Z",
    "A CAIP-19 name such as eip155:1/slip44:60 or eip155:1/erc20:0x… is expected.",
)
# A bare name in the one folder that the machine's administrator fills: a page names no other file of the machine.
FILE_VALIDATOR = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z", "A file's name in the folder of node secrets is expected, without a path."
)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return named and url.startswith(("http://", "https://")) and url.isprintable() and " " not in url


def address_check(url: str) -> None:
    """Refuse what is no http or https address.

    Raises:
        ValidationError: For the field ``url``.
    """
    if not _is_address(url):
        raise ValidationError({"url": "An address such as https://node.example is expected."})


class Chain(models.Model):
    """An EVM chain."""

    caip2 = models.CharField("CAIP-2 name", max_length=24, primary_key=True, validators=[CHAIN_VALIDATOR])
    name = models.CharField(max_length=80)
    native_symbol = models.CharField(max_length=16)
    confirmation_depth = models.PositiveIntegerField(
        default=12,
        validators=[MinValueValidator(1)],
        help_text="Blocks, the transaction's own included, after which a receipt is final.",
    )
    quorum = models.PositiveSmallIntegerField(
        default=0,
        help_text="Nodes that have to agree on what money depends on, where more than half are not enough.",
    )
    head_age_most = models.PositiveIntegerField(
        default=0,
        help_text="Seconds after which a node's newest block is stale. 0: not checked (development chains).",
    )

    class Meta:
        """A depth of 0 would call what is in no block final."""

        constraints = (
            models.CheckConstraint(condition=models.Q(confirmation_depth__gte=1), name="chain_depth_at_least_1"),
        )

    def __str__(self) -> str:
        """Name the chain."""
        return f"{self.name} ({self.caip2})"

    @property
    def chain_id(self) -> int:
        """The EIP-155 chain id."""
        return chain_number(self.caip2)


class Node(models.Model):
    """A JSON-RPC endpoint. Its URL may hold a key: never shown in messages, logs or audit entries."""

    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="nodes")
    label = models.SlugField(max_length=64, unique=True)
    url = models.CharField(max_length=400)
    priority = models.PositiveSmallIntegerField(default=10, help_text="Lower is asked first.")
    enabled = models.BooleanField(default=True)
    timeout_ms = models.PositiveIntegerField(
        default=5000,
        validators=[MinValueValidator(100), MaxValueValidator(60_000)],
        help_text="For a connection, and for a whole answer.",
    )
    headers_file = models.CharField(
        max_length=64,
        blank=True,
        validators=[FILE_VALIDATOR],
        help_text="Name of a file with lines of `Name: value` that are sent along.",
    )
    certificate_file = models.CharField(
        max_length=64,
        blank=True,
        validators=[FILE_VALIDATOR],
        help_text="Our client certificate (PEM), for mutual TLS.",
    )
    key_file = models.CharField(
        max_length=64, blank=True, validators=[FILE_VALIDATOR], help_text="The client certificate's key (PEM)."
    )
    authority_file = models.CharField(
        max_length=64,
        blank=True,
        validators=[FILE_VALIDATOR],
        help_text="The only certificate authority that vouches for the node (PEM).",
    )
    fingerprint = models.CharField(
        "pinned certificate",
        max_length=64,
        blank=True,
        validators=[RegexValidator(r"\A[0-9a-f]{64}\Z", "64 lower-case hex digits are expected.")],
        help_text="SHA-256 of the node's certificate: exactly that one is taken.",
    )
    stopped_reason = models.CharField(
        max_length=280, blank=True, editable=False, help_text="Set when the node proved unusable; a person clears it."
    )

    class Meta:
        """One order, whoever asks."""

        ordering = ("chain", "priority", "pk")

    def __str__(self) -> str:
        """Name the node, not its URL."""
        return self.label

    def clean(self) -> None:
        """Refuse an address that is none, and certificates that would protect nothing.

        Raises:
            ValidationError: Naming what is wrong.
        """
        address_check(self.url)
        if self.url.startswith("http:") and (self.fingerprint or self.authority_file or self.certificate_file):
            raise ValidationError({"url": "A certificate is named, but the address is not https."})
        if bool(self.certificate_file) != bool(self.key_file):
            raise ValidationError({"key_file": "A client certificate and its key are needed, or neither."})


class Asset(models.Model):
    """An asset that people may name; amounts have `decimals` places."""

    caip19 = models.CharField("CAIP-19 name", max_length=90, primary_key=True, validators=[ASSET_VALIDATOR])
    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="assets")
    symbol = models.CharField(max_length=16)
    name = models.CharField(max_length=80)
    decimals = models.PositiveSmallIntegerField(validators=[MaxValueValidator(77)])

    class Meta:
        """Sorted for people."""

        ordering = ("chain", "symbol", "pk")

    def __str__(self) -> str:
        """Name the asset."""
        return f"{self.symbol} ({self.caip19})"

    @property
    def contract(self) -> str | None:
        """The token contract's address; None for the native coin."""
        _, _, reference = self.caip19.partition("/erc20:")
        return reference or None

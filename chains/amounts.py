"""The one field class for money: integers in base units, exact from 0 to 2^256 - 1, on both databases.

PostgreSQL: ``numeric(78,0)``. SQLite has no exact number of that size, so it stores 78 digits with leading zeros,
which sort and compare as the numbers do; arithmetic inside the database is therefore for PostgreSQL only.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models

from core.schema import UINT256_MAX

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

DIGITS = len(str(UINT256_MAX))


class AmountField(models.Field):  # type: ignore[type-arg]  # django-stubs' generic base is not subscriptable at run time
    """An unsigned 256-bit integer; a Python `int` everywhere, never a float or a Decimal."""

    description = "Amount in base units, 0 to 2^256 - 1"
    empty_strings_allowed = False

    def get_internal_type(self) -> str:
        """Have no internal type of Django's."""
        return "AmountField"

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        """Return the exact type of each database."""
        return f"numeric({DIGITS},0)" if connection.vendor == "postgresql" else f"varchar({DIGITS})"

    def db_check(self, connection: BaseDatabaseWrapper) -> str | None:
        """Return the constraint that the database itself holds on to."""
        column = connection.ops.quote_name(self.column or self.name)
        if connection.vendor == "postgresql":
            return f"{column} >= 0 AND {column} <= {UINT256_MAX}"
        # Text of one length compares as the number does.
        return f"length({column}) = {DIGITS} AND {column} NOT GLOB '*[^0-9]*' AND {column} <= '{UINT256_MAX}'"

    def to_python(self, value: object) -> int | None:
        """Read an amount from an integer or a string of digits.

        Raises:
            ValidationError: For anything else; floats and booleans are refused, not rounded.
        """
        if value is None:
            return None
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= DIGITS:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= UINT256_MAX:
            msg = "Enter a whole number of base units from 0 to 2^256 - 1."
            raise ValidationError(msg, code="invalid")
        return value

    def get_prep_value(self, value: object) -> int | None:
        """Check the amount on its way into a query."""
        value = super().get_prep_value(value)
        try:
            return self.to_python(value)
        except ValidationError as error:
            msg = f"{self.name}: not an amount: {value!r}"
            raise ValueError(msg) from error

    def get_db_prep_value(
        self,
        value: Any,  # noqa: ANN401 - Django's signature
        connection: BaseDatabaseWrapper,
        prepared: bool = False,  # noqa: FBT001, FBT002 - as above
    ) -> Decimal | str | None:
        """Spell the amount as the database stores it."""
        amount = value if prepared else self.get_prep_value(value)
        if amount is None:
            return None
        return Decimal(amount) if connection.vendor == "postgresql" else f"{amount:0{DIGITS}d}"

    def from_db_value(self, value: Decimal | str | None, expression: object, connection: object) -> int | None:
        """Read the amount back as an integer."""
        del expression, connection
        return None if value is None else int(value)

    def value_to_string(self, obj: models.Model) -> str:
        """Serialise for fixtures."""
        return str(self.value_from_object(obj))

    def formfield(
        self,
        form_class: type[forms.Field] | None = None,
        choices_form_class: type[forms.ChoiceField] | None = None,
        **kwargs: Any,  # noqa: ANN401 - Django's signature
    ) -> forms.Field | None:
        """Offer a whole-number input."""
        bounds = {"min_value": 0, "max_value": UINT256_MAX, **kwargs}
        return super().formfield(form_class or forms.IntegerField, choices_form_class, **bounds)

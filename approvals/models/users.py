"""People who can sign in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

from approvals.errors import PersonFixedError
from approvals.permissions import OWN_PERMISSIONS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from django.db.models.base import ModelBase

# The spelling that the policy's roster accepts (`core.names.SLUG`): what is shown must be what was signed.
SLUG_VALIDATOR = RegexValidator(
    r"\A[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?\Z",
    "Lower-case letters, digits, dots, dashes and underscores only.",
)


class UserManager(BaseUserManager["User"]):
    """Makes accounts. People have no password: they sign in with a security key."""

    def create_user(
        self, person_id: str, *, display_name: str, password: str | None = None, **fields: str | bool
    ) -> User:
        """Make an account for a person of the roster.

        Args:
            person_id: The person's id in the roster of the signed policy.
            display_name: The name that others see.
            password: Only for the admin in tests; without one no password ever fits.
            **fields: Further columns.
        """
        user = self.model(person_id=person_id, display_name=display_name, **fields)
        user.set_password(password)
        user.full_clean(exclude=["password"])
        user.save(using=self._db)
        return user

    def create_superuser(self, person_id: str, *, display_name: str, password: str | None = None) -> User:
        """Make an account that may use the whole admin. It opens no wallet: the signer does not know it."""
        return self.create_user(
            person_id, display_name=display_name, password=password, is_staff=True, is_superuser=True
        )


class User(AbstractBaseUser, PermissionsMixin):
    """An account of one person, for ever of the same one.

    What a person may do to money is written in the signed policy, under `person_id`. The columns here decide
    what the pages show; a signer believes none of them.
    """

    person_id = models.CharField(
        "person",
        max_length=64,
        unique=True,
        validators=[SLUG_VALIDATOR],
        help_text="The id in the roster of the signed policy. It cannot be changed later.",
    )
    display_name = models.CharField("name", max_length=80)
    desk = models.CharField(max_length=64, blank=True, validators=[SLUG_VALIDATOR])
    site = models.CharField(max_length=64, blank=True, validators=[SLUG_VALIDATOR])
    is_staff = models.BooleanField("may use the admin", default=False)
    is_active = models.BooleanField(
        "may sign in", default=True, help_text="People who leave are shut out, never deleted."
    )
    joined_at = models.DateTimeField("joined", default=timezone.now, editable=False)

    objects = UserManager()
    _loaded_person_id: str | None = None

    USERNAME_FIELD = "person_id"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["display_name"]

    class Meta:
        verbose_name = "person"
        verbose_name_plural = "people"
        ordering = ("person_id",)
        permissions = OWN_PERMISSIONS

    def __str__(self) -> str:
        return self.display_name or self.person_id

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any]) -> Self:
        """Remember whose account was loaded, so that saving can tell."""
        user = super().from_db(db, field_names, values)
        # Read from what was loaded: asking the attribute of a deferred column would query the database.
        user._loaded_person_id = user.__dict__.get("person_id")  # noqa: SLF001 - our own instance
        return user

    def get_full_name(self) -> str:
        """Return the name that others see."""
        return self.display_name

    def get_short_name(self) -> str:
        """Return the first word of it."""
        return self.display_name.split(" ", 1)[0]

    def save(
        self,
        *,
        force_insert: bool | tuple[ModelBase, ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Save the account.

        Raises:
            PersonFixedError: It would become another person's. The database refuses that too.
        """
        loaded = self._loaded_person_id
        if loaded is not None and loaded != self.person_id:
            raise PersonFixedError(f"The account of {loaded} cannot become another person's.")
        super().save(force_insert=force_insert, force_update=force_update, using=using, update_fields=update_fields)
        self._loaded_person_id = self.person_id

"""`manage.py enrolment_link PERSON`: print a one-time link with which a person enrols a sign-in key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse
from django.utils import timezone

from approvals.models import User
from approvals.services import TICKET_LIFETIME, ticket_create

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Hand out an enrolment link at the console."""

    help = "Print a one-time link with which a person enrols a sign-in key. Hand it over in person."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare whose link it is."""
        parser.add_argument("person")

    def handle(self, *_args: object, **options: str) -> None:
        """Print the link."""
        user = User.objects.filter(person_id=options["person"], is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active account of {options['person']}.")
        token = ticket_create(user=user, actor="system:manage", now=timezone.now())
        self.stdout.write(settings.COUNTERSIGN_WEB_ORIGIN + reverse("approvals:enrol", args=[token]))
        self.stderr.write(f"Good once, for {TICKET_LIFETIME.seconds // 60} minutes.")

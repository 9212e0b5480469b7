"""Pages about nodes: how each does, what they contradicted each other about, and changes that take two people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from approvals.roles import Permission, needs
from chains.errors import ChangeDecidedError, SamePersonError
from chains.models import Node
from chains.node_services import SETTINGS, node_change_confirm, node_change_propose, node_change_withdraw
from chains.selectors import disagreement_list, node_change_list, node_find, node_rows
from oms.views import page_context, page_user

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from chains.models import NodeChange

PAGE_ROWS = 25
_UNPROCESSABLE = 422


class NodeForm(forms.ModelForm[Node]):
    """All of a node's settings. Nothing is saved from here: they are proposed."""

    restarts = forms.BooleanField(
        required=False, label="Use it again", help_text="For a node that was stopped or quarantined."
    )

    class Meta:
        """The settings that a change is made of."""

        model = Node
        fields = ("label", *SETTINGS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Django's signature
        """Keep a node's name and chain, which everything else refers to."""
        super().__init__(*args, **kwargs)
        for name in ("label", "chain") if self.instance.pk else ():
            self.fields[name].disabled = True

    def settings(self) -> dict[str, object]:
        """Return what is proposed."""
        data = self.cleaned_data
        return {name: data["chain"].pk if name == "chain" else data[name] for name in SETTINGS}


def _shown(change: NodeChange) -> dict[str, object]:
    """Set a proposed change beside what holds now, so that the second person sees what they confirm."""
    proposed: dict[str, object] = json.loads(change.fields)
    node = change.node
    rows = []
    for name in SETTINGS:
        before = None if node is None else getattr(node, "chain_id" if name == "chain" else name)
        after = proposed.get(name)
        if node is None or before != after:
            rows.append({"name": name.replace("_", " "), "before": before, "after": after})
    return {"change": change, "rows": rows}


def _listed(request: HttpRequest) -> dict[str, object]:
    now = timezone.now()
    pages = Paginator(disagreement_list(), PAGE_ROWS)
    page = pages.get_page(request.GET.get("page"))
    told = [{"row": row, "answers": json.loads(row.answers)} for row in page]
    return {
        "nodes": node_rows(now=now),
        "changes": [_shown(change) for change in node_change_list()],
        "me": f"user:{page_user(request).get_username()}",
        "page": page,
        "disagreements": told,
    }


@never_cache
@require_GET
@needs(Permission.RUN)
def nodes(request: HttpRequest) -> HttpResponse:
    """Show the nodes."""
    return render(request, "oms/nodes.html", page_context(request, **_listed(request)))


@never_cache
@require_GET
@needs(Permission.RUN)
def nodes_status(request: HttpRequest) -> HttpResponse:
    """Show how the nodes do now, for the page that polls."""
    return render(request, "oms/_nodes.html", {"nodes": node_rows(now=timezone.now())})


@never_cache
@require_http_methods(["GET", "POST"])
@needs(Permission.RUN)
def node_change(request: HttpRequest, label: str = "") -> HttpResponse:
    """Propose a node, or other settings for one."""
    node = node_find(label=label) if label else None
    if label and node is None:
        raise Http404
    form = NodeForm(request.POST or None, instance=node)
    status = 200
    if request.method == "POST":
        status = _UNPROCESSABLE
        if form.is_valid():
            try:
                node_change_propose(
                    actor=f"user:{page_user(request).get_username()}",
                    label=form.cleaned_data["label"],
                    settings=form.settings(),
                    restarts=form.cleaned_data["restarts"],
                    now=timezone.now(),
                )
            except ValidationError as error:
                form.add_error(None, error.messages)
            else:
                messages.success(request, "Proposed. It holds once another person has confirmed it.")
                return redirect("oms:nodes")
    context = page_context(request, form=form, label=label)
    return render(request, "oms/node_change.html", context, status=status)


@require_POST
@needs(Permission.RUN)
def node_change_decide(request: HttpRequest, change_id: int) -> HttpResponse:
    """Confirm a proposed change, or withdraw it."""
    actor, now = f"user:{page_user(request).get_username()}", timezone.now()
    try:
        if request.POST.get("decision") == "confirm":
            node_change_confirm(actor=actor, change_id=change_id, now=now)
            messages.success(request, "Confirmed. The node is used like this from now on.")
        else:
            node_change_withdraw(actor=actor, change_id=change_id, now=now)
            messages.success(request, "Withdrawn. Nothing has changed.")
    except (ChangeDecidedError, SamePersonError) as error:
        messages.error(request, f"Not done: {error}.")
    except ValidationError as error:
        messages.error(request, f"Not done: {' '.join(error.messages)}")
    return redirect("oms:nodes")

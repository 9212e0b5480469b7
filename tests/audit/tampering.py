"""What a database owner can do to the log, each as a function; the triggers are lifted around them."""

from __future__ import annotations

from django.db import connection, transaction

from audit.models import AuditCheckpoint, AuditEntry, AuditLeaf, AuditTree
from audit.selectors import entry_of
from audit.sequencer import tree_advance
from audit.services import entry_append
from core.auditlog import bytes_of, chain_link, entry_leaf
from core.merkle import Tree


def write(count: int) -> None:
    for number in range(count):
        with transaction.atomic():
            entry_append(actor="tess", tag="oms:request:asked", subject=str(number), payload={"n": number})
        if number % 3 == 2:
            tree_advance()
    while tree_advance():
        pass


def entry_at(index: int) -> AuditEntry:
    return AuditLeaf.objects.select_related("entry").get(index=index).entry


def modify() -> None:
    AuditEntry.objects.filter(pk=entry_at(4).pk).update(payload='{"n":400}')


def modify_with_its_leaf() -> None:
    modify()
    leaf = entry_leaf(bytes_of(entry_of(row=entry_at(4))))
    AuditLeaf.objects.filter(index=4).update(leaf=leaf.hex())


def _recompute(first: int) -> None:
    """Compute leaves, links, edge and tree anew, as whoever rewrites a log would."""
    chain = bytes.fromhex(AuditLeaf.objects.get(index=first - 1).chain)
    for row in AuditLeaf.objects.select_related("entry").filter(index__gte=first).order_by("index"):
        leaf = entry_leaf(bytes_of(entry_of(row=row.entry)))
        chain = chain_link(chain, leaf)
        AuditLeaf.objects.filter(index=row.index).update(leaf=leaf.hex(), chain=chain.hex())
    AuditTree.objects.update(chain=chain.hex())


def rewrite_with_links() -> None:
    modify()
    _recompute(4)


def rewrite_everything() -> None:
    rewrite_with_links()
    leaves = [bytes.fromhex(leaf) for leaf in AuditLeaf.objects.order_by("index").values_list("leaf", flat=True)]
    tree = Tree(leaves)
    for checkpoint in AuditCheckpoint.objects.all():
        chain = AuditLeaf.objects.get(index=checkpoint.size - 1).chain
        AuditCheckpoint.objects.filter(pk=checkpoint.pk).update(root=tree.root(checkpoint.size).hex(), chain=chain)


def delete_entry() -> None:
    AuditEntry.objects.filter(pk=entry_at(4).pk).delete()


def delete_entry_and_leaf() -> None:
    delete_entry()
    AuditLeaf.objects.filter(index=4).delete()


def swap_entries() -> None:
    fourth, fifth = entry_at(4).pk, entry_at(5).pk
    AuditLeaf.objects.filter(index=4).update(entry_id=-1)
    AuditLeaf.objects.filter(index=5).update(entry_id=fourth)
    AuditLeaf.objects.filter(index=4).update(entry_id=fifth)


def swap_whole_leaves() -> None:
    swap_entries()
    fourth, fifth = AuditLeaf.objects.get(index=4), AuditLeaf.objects.get(index=5)
    AuditLeaf.objects.filter(index=4).update(leaf=fifth.leaf)
    AuditLeaf.objects.filter(index=5).update(leaf=fourth.leaf)


def cut_tail() -> None:
    AuditLeaf.objects.filter(index__gte=6).delete()


def cut_tail_and_tree() -> None:
    cut_tail()
    AuditTree.objects.update(size=6, chain=AuditLeaf.objects.get(index=5).chain)


def take_out_of_the_queue() -> None:
    with transaction.atomic():
        entry_append(actor="tess", tag="oms:request:asked", subject="hidden", payload={})
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_pending")


def change_a_type() -> None:
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("UPDATE audit_entry SET payload = x'ff00' WHERE seq = %s", [entry_at(4).pk])
    else:
        modify()

"""What to do about an alarm, in a sentence or two. One place, so that pages, e-mails and other ports say the same."""

from __future__ import annotations

from audit.tags import AuditTag

GENERAL = "Open the entry in the log, find out what happened, and note here what you did."
_ADVICE: dict[str, str] = {
    AuditTag.LOG_BEHIND: (
        "Entries wait for their place in the log. See that a worker or `manage.py audit_sequence` runs and that the"
        " database takes writes; nothing is lost meanwhile."
    ),
    AuditTag.LOG_TAMPERED: (
        "What is stored no longer fits the log. Touch nothing: copy the database, run `countersign-fsck` with a"
        " checkpoint that a witness hands out, and call your auditors."
    ),
    AuditTag.LOG_FORGED: (
        "An entry was written past the application. Find out who can write to the database, and compare with"
        " `countersign-fsck --key-file`."
    ),
    AuditTag.LOG_CLOCK: "A server's clock went back. Check its time service before anything else is signed.",
    AuditTag.LOG_UNSIGNED: (
        "The log's signer does not sign. If it cannot be reached, start it; if it refuses, this log does not continue"
        " what it signed last: copy the database and call your auditors."
    ),
    AuditTag.LOG_UNWITNESSED: (
        "A witness does not cosign. If it cannot be reached, ask whoever runs it; if it refuses, it has seen another"
        " log than this one: compare the two checkpoints."
    ),
    AuditTag.ROW_DAMAGED: (
        "A stored row holds what no program of ours writes: somebody edited the database. Compare the row with its"
        " entries in the log, and restore it from a backup."
    ),
    AuditTag.RECEIPT_FAILED: "What is stored does not prove an entry. Run `countersign-fsck` and call your auditors.",
    AuditTag.ANCHOR_LATE: (
        "No checkpoint of the log was confirmed on chain for too long. Look at the anchor wallet's gas, its lane and"
        " the nodes."
    ),
    AuditTag.ANCHOR_WRONG: (
        "The chain holds an anchor that is no beginning of this log. Copy the database, run `countersign-fsck"
        " --anchors`, and call your auditors."
    ),
    AuditTag.CONSENT_REFUSED: "Somebody sent a consent that does not hold. Ask the person whose name it bears.",
    AuditTag.SESSION_REFUSED: "A security key was used in a way that it cannot be. Lock it, and ask its holder.",
    AuditTag.JOB_REFUSED: "A signer refused a case. Its answer names the rule; compare the case file.",
    AuditTag.SIGNER_UNLEASED: (
        "This signer signs nothing until enough witnesses say that nothing newer is known. If one cannot be reached,"
        " ask whoever runs it. If it saw another journal, somebody brought this signer's disk back to an older state:"
        " stop it, and call whoever holds its console."
    ),
    AuditTag.JOB_WAITS: "A signer does not answer, or waits for something. Its answer says what.",
    AuditTag.REQUEST_MOVED: "A request took a turn for the worse. Its page says what happened, and what is possible.",
    AuditTag.LIMIT_MISMATCH: "Counters of limits and their reservations differ. Run `manage.py limits_reconcile`.",
    AuditTag.JOB_DOUBTED: (
        "A courier reports that a signer refused. The case ends by itself once that is proven; do not ask for the"
        " same again before."
    ),
    AuditTag.JOB_REOPENED: (
        "A courier reported a refusal of what its signer holds. The case has come back; find out what that courier"
        " runs."
    ),
    AuditTag.ATTEMPT_CONTRADICTED: (
        "A block that was final is no longer part of the chain. Ask nothing new of this wallet until you know whether"
        " the chain or our nodes are wrong; consider a greater depth, or its finalized block."
    ),
    AuditTag.OUTFLOW_STRANGE: (
        "Something left a wallet, or used its nonce, and nothing of ours explains it. Halt its signer now, then look"
        " for a key in other hands, an allowance that somebody uses, or a token that changes balances."
    ),
    AuditTag.GAS_LOW: "This wallet's coin does not last for gas. Top it up; what it signs meanwhile may hang.",
    AuditTag.KEY_PERIOD: (
        "A key reaches the end of the time for which it was meant to be used. Rotate it: the wallet's page drafts the"
        " sweep into a successor. See docs/playbook/key-rotation.md."
    ),
    AuditTag.KEY_MOVED: (
        "A wallet's key was said to be in other hands. Halt its signers, and sweep the wallet into one whose key is"
        " nobody else's: docs/playbook/key-rotation.md."
    ),
    AuditTag.CEREMONY_MOVED: (
        "A ceremony came to nothing. Its page says what each signer answered; put that right, and draft it anew."
    ),
    AuditTag.CEREMONY_NOT_TAKEN: (
        "A signer refuses a ceremony that its quorum ordered. Its own words are on the ceremony's page. It is asked"
        " again until the ceremony expires; if it cannot be put right, abandon the ceremony."
    ),
    AuditTag.CEREMONY_WAITS: (
        "A ceremony waits for a signer, or for something that is done at a console. Its page says for whom, and shows"
        " the commands."
    ),
    AuditTag.REFRESH_DUE: (
        "A threshold wallet's shares were not refreshed for longer than planned. Draft a refresh: Ceremonies, New."
    ),
    AuditTag.CANCEL_FAILED: "A cancel was not signed. Its page says why; once it expired, propose another one.",
    AuditTag.BALANCE_MISMATCH: "A wallet holds another amount than the books say. Stop its lane and compare.",
    AuditTag.SIGNER_SILENT: (
        "Nothing is signed by this signer meanwhile. See that its process and its courier run, and that its socket is"
        " the one in the settings."
    ),
    AuditTag.PARTIES_FEW: (
        "A shared key has too few parties: its cases wait. Start those that are silent; their pages and journals are"
        " theirs, so nothing is lost meanwhile. Fewer than the threshold sign nothing, whatever people decide."
    ),
    AuditTag.NOTICE_FAILED: (
        "Somebody is not told what they asked to be told. See that the mail server or the webhook answers, and that"
        " the address in their preferences is right."
    ),
    AuditTag.NODE_QUARANTINED: (
        "A node contradicted the others about one and the same block and is not asked any more. Read both answers on"
        " the page of nodes, ask whoever runs it, and let two people bring it back."
    ),
    AuditTag.NODES_DISAGREE: (
        "Nodes contradict each other, and it cannot be told who is right. Read the answers on the page of nodes;"
        " while too few agree, nothing becomes final."
    ),
    AuditTag.ASSET_MISMATCH: (
        "A token does not describe itself as the asset's entry does: amounts may be off by powers of ten. Ask for"
        " nothing in it before somebody has compared the entry with the contract."
    ),
    AuditTag.PRICE_HALTED: (
        "An asset has no price: too few independent feeds are fresh, or they contradict each other. Cases that need a"
        " price wait or go to people. See the page of prices for what each feed said."
    ),
    AuditTag.NODE_UNWELL: (
        "A node does not answer as it should and is left alone for a while. See that it runs, that its certificate"
        " and our key for it are good, and that another one can take its place."
    ),
    AuditTag.NODE_WRONG_CHAIN: "A node answers for another chain and was stopped. Correct its address and start it.",
}


def advice_of(*, tag: str) -> str:
    """Return what to do about alarms of this tag."""
    return _ADVICE.get(tag, GENERAL)

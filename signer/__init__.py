"""The secure enclave: verifies the whole case for itself, journals it, and only then lets the token sign.

A process of its own under an OS user of its own: a unix socket and nothing else, no network, no Django, no ORM, no
broker. One process, one role. Wire format: `signer.wire`; order of a signature: `signer.service`.
"""

"""What holds for every case, not only for those that happened: a policy as the signer enforces it, in z3.

Conditions compare facts with constants, so the encoding is finite and exact: a text is one of the values that the
policy names or another one, a number lies between two thresholds, and each fact may be unknown. What cannot be
enumerated (lists, arguments of calls, windows of limits) is left free, which only ever adds cases: a proof stays a
proof, and what looks like a counterexample is shown only after the real engine has agreed.
"""

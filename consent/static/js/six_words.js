// A digest as six words, to be compared aloud or at a glance between two devices. README.md says how they are made.
// 60 bits, each guess at another document costing 2^18 hashes: who would forge the words does more than 2^77 of them.
// Sources: RFC 8018 section 5.2 (PBKDF2). `python -m witness words` makes the same words.

import { bytesOfHex, hexOf, sha256, textOfUtf8, utf8 } from "./bytes.js";
import { Refused } from "./refusal.js";

const LIST_SHA256 = "6effcb76225cac0016f6122816ea087fd9bec4f7be23e02e789adeb2bbe95d81";
const ITERATIONS = 2 ** 18;
const SALT = "countersign/v1/words";
const WORDS = 6;
const BITS_PER_WORD = 10n; // 1024 words
const SPARE_BITS = 4n; // 64 bits are derived, 60 are used

let list = null;

async function loadList() {
  const answer = await fetch("/words.txt", { cache: "no-store", credentials: "omit", redirect: "error" });
  const bytes = new Uint8Array(await answer.arrayBuffer());
  if (!answer.ok || hexOf(await sha256(bytes)) !== LIST_SHA256) {
    throw new Refused("installation", "This host's list of words is not the one of this release. Tell its operators.");
  }
  return textOfUtf8(bytes).trim().split("\n");
}

// Six words of the list, separated by spaces.
export async function sixWords(digest) {
  list ??= await loadList();
  const key = await crypto.subtle.importKey("raw", bytesOfHex(digest), "PBKDF2", false, ["deriveBits"]);
  const how = { name: "PBKDF2", hash: "SHA-256", salt: utf8(SALT), iterations: ITERATIONS };
  const derived = new Uint8Array(await crypto.subtle.deriveBits(how, key, 64));
  const number = BigInt(`0x${hexOf(derived)}`) >> SPARE_BITS;
  const places = Array.from({ length: WORDS }, (_, at) => BigInt(WORDS - 1 - at) * BITS_PER_WORD);
  return places.map((place) => list[Number((number >> place) & ((1n << BITS_PER_WORD) - 1n))]).join(" ");
}

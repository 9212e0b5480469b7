// Reads [raw EIP-1559 transaction, ...] in hex; says of each who signed it and what it does. Nothing of ours is used.
import { readFileSync } from "node:fs";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { keccak_256 } from "@noble/hashes/sha3.js";

const hex = (bytes) => Buffer.from(bytes).toString("hex");
const number = (bytes) => (bytes.length ? BigInt("0x" + hex(bytes)) : 0n);

// RLP (Ethereum yellow paper, appendix B): one item from `at`; returns it and where the next begins.
function item(bytes, at) {
    const first = bytes[at];
    if (first < 0x80) return [bytes.subarray(at, at + 1), at + 1];
    const list = first >= 0xc0;
    let length = first - (list ? 0xc0 : 0x80);
    let start = at + 1;
    if (length > 55) {
        const size = length - 55;
        length = Number(number(bytes.subarray(start, start + size)));
        start += size;
    }
    const content = bytes.subarray(start, start + length);
    if (content.length !== length) throw new Error("half an item");
    if (!list) return [content, start + length];
    const items = [];
    for (let place = 0; place < length; ) {
        const [one, next] = item(content, place);
        items.push([one, content.subarray(place, next)]);
        place = next;
    }
    return [items, start + length];
}

// A list's head: the transactions here are shorter than 65,536 bytes.
function head(length) {
    if (length <= 55) return Buffer.from([0xc0 + length]);
    return length < 256 ? Buffer.from([0xf8, length]) : Buffer.from([0xf9, length >> 8, length & 0xff]);
}

function read(raw) {
    const bytes = Uint8Array.from(Buffer.from(raw, "hex"));
    if (bytes[0] !== 2) throw new Error("no EIP-1559 transaction");
    const [fields, end] = item(bytes, 1);
    if (end !== bytes.length || fields.length !== 12) throw new Error("not twelve fields");
    const body = Buffer.concat(fields.slice(0, 9).map(([, whole]) => whole));
    const digest = keccak_256(Uint8Array.from(Buffer.concat([Buffer.from([2]), head(body.length), body])));
    const [[parity], [r], [s]] = fields.slice(9);
    const signature = new secp256k1.Signature(number(r), number(s), Number(number(parity)));
    const key = signature.recoverPublicKey(digest).toBytes(false);
    if (!secp256k1.verify(signature.toBytes("compact"), digest, key, { prehash: false, lowS: true })) {
        throw new Error("does not verify");
    }
    const named = fields.map(([content]) => content);
    return {
        from: "0x" + hex(keccak_256(key.subarray(1)).subarray(12)),
        chain: Number(number(named[0])),
        nonce: Number(number(named[1])),
        to: "0x" + hex(named[5]),
        value: number(named[6]).toString(),
        hash: "0x" + hex(keccak_256(bytes)),
    };
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf-8")).map(read)));

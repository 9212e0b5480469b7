// Reads [[public key, hash, r || s || recovery id], ...] in hex, says of each whether it holds.
import { readFileSync } from "node:fs";
import { secp256k1 } from "@noble/curves/secp256k1.js";

const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));

function holds([key, hash, signature]) {
    const [publicKey, digest, all] = [bytes(key), bytes(hash), bytes(signature)];
    const compact = all.subarray(0, 64);
    if (!secp256k1.verify(compact, digest, publicKey, { prehash: false, lowS: true })) {
        return false;
    }
    const recovered = secp256k1.Signature.fromBytes(compact, "compact").addRecoveryBit(all[64]).recoverPublicKey(digest);
    return Buffer.from(recovered.toBytes(false)).equals(Buffer.from(publicKey));
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf-8")).map(holds)));

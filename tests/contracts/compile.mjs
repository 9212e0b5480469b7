// Compiles a Solidity file of this folder at development time: node tests/contracts/compile.mjs Strange
// Writes <name>.json (bytecode of each contract) and <name>.input.json (the compiler's standard input) beside it.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const solc = createRequire(import.meta.url)("solc");
const here = dirname(fileURLToPath(import.meta.url));
const name = process.argv[2];
const source = `${name}.sol`;
const input = {
  language: "Solidity",
  sources: { [source]: { content: readFileSync(join(here, source), "utf-8") } },
  settings: {
    optimizer: { enabled: true, runs: 200 },
    evmVersion: "paris",
    outputSelection: { "*": { "*": ["evm.bytecode.object"] } },
  },
};
const output = JSON.parse(solc.compile(JSON.stringify(input)));
for (const problem of output.errors ?? []) {
  if (problem.severity === "error") throw new Error(problem.formattedMessage);
}
const made = Object.entries(output.contracts[source]).map(([contract, found]) => [
  contract, `0x${found.evm.bytecode.object}`,
]);
writeFileSync(join(here, `${name}.input.json`), `${JSON.stringify(input, null, 1)}\n`);
writeFileSync(join(here, `${name}.json`), `${JSON.stringify(Object.fromEntries(made), null, 1)}\n`);

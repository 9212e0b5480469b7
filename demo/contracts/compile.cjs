// Compiles the contracts of this folder, at development time only: `node demo/contracts/compile.cjs [--check]`.
// Writes, for each source, the compiler's standard input, and for each contract its ABI and bytecode. With --check it
// writes nothing and fails if what is committed is not what the sources give.

"use strict";

const fs = require("node:fs");
const path = require("node:path");
const solc = require("solc");

const check = process.argv.includes("--check");
const settings = {
  evmVersion: "paris",
  optimizer: { enabled: true, runs: 200 },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
};
let wrong = 0;

function keep(name, value) {
  const file = path.join(__dirname, name);
  const text = JSON.stringify(value, null, 1) + "\n";
  if (!check) {
    fs.writeFileSync(file, text);
  } else if (!fs.existsSync(file) || JSON.stringify(JSON.parse(fs.readFileSync(file, "utf8"))) !== JSON.stringify(value)) {
    console.error(`${name} is not what its source gives`);
    wrong += 1;
  }
}

for (const source of fs.readdirSync(__dirname).filter((name) => name.endsWith(".sol")).sort()) {
  const content = fs.readFileSync(path.join(__dirname, source), "utf8");
  const stem = path.basename(source, ".sol");
  const input = { language: "Solidity", sources: { [source]: { content } }, settings };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  for (const problem of output.errors ?? []) console.error(problem.formattedMessage);
  if ((output.errors ?? []).some((problem) => problem.severity === "error")) process.exit(1);
  keep(`${stem}.input.json`, input);
  for (const [contract, made] of Object.entries(output.contracts[source])) {
    const bytecode = "0x" + made.evm.bytecode.object;
    // Abstract contracts and interfaces deploy nothing.
    if (bytecode !== "0x") keep(`${contract}.json`, { contract, compiler: solc.version(), abi: made.abi, bytecode });
  }
}
process.exit(wrong ? 1 : 0);

// Makes src/api/schema.d.ts from the committed OpenAPI document, or (check) fails when it is not what that would make.
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const source = new URL("../../docs/openapi/dashboard.json", import.meta.url);
const target = new URL("../src/api/schema.d.ts", import.meta.url);

const head = "// Made from docs/openapi/dashboard.json by `npm run client`. Do not edit.\n\n";
const current = head + astToString(await openapiTS(source));

if (process.argv[2] === "check") {
  const committed = await readFile(target, "utf8").catch(() => "");
  if (committed !== current) {
    console.error("src/api/schema.d.ts is stale; run `npm run client`");
    process.exit(1);
  }
} else {
  await writeFile(target, current);
}

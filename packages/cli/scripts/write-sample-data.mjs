// Writes embedded/sample-data: node scripts/write-sample-data.mjs [FOLDER]
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { SAMPLE_SEED, sampleData } from "./shop/sample-data.mjs";

const folder = process.argv[2] ?? fileURLToPath(new URL("../embedded/sample-data", import.meta.url));
fs.mkdirSync(folder, { recursive: true });
for (const [name, text] of Object.entries(sampleData())) {
  const file = path.join(folder, `${name}.jsonl.gz`);
  const bytes = gzipSync(text, { level: 9 });
  fs.writeFileSync(file, bytes);
  console.log(`${file}: seed ${SAMPLE_SEED}, ${text.length} characters, ${bytes.length} bytes compressed`);
}

// Writes the Hugging Face export of every base tokenizer (50 users, 40 items) for goldens.py to read.
//   node test/oracle/export.mjs SHARED_DIRECTORY OUT_DIRECTORY      (after the build; SHARED_DIRECTORY holds models/)
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ExtendedTokenizer } from "@cllm4rec/tokenizer-ext";
import { loadTokenizer, saveHuggingFace } from "@cllm4rec/tokenizer-ext/node";
import { Tokenizer } from "@huggingface/tokenizers";

const here = path.dirname(fileURLToPath(import.meta.url));
const [shared, out] = process.argv.slice(2);
if (!shared || !out) throw new Error("usage: node test/oracle/export.mjs SHARED_DIRECTORY OUT_DIRECTORY");

for (const base of JSON.parse(fs.readFileSync(path.join(here, "bases.json"), "utf8"))) {
  let loaded;
  if (base.tiny) {
    const file = path.join(here, "..", "fixtures", "tiny", `${base.name}.json`);
    const { tokenizer: json, config } = JSON.parse(fs.readFileSync(file, "utf8"));
    loaded = { tokenizer: new Tokenizer(json, config), json, config };
  } else loaded = await loadTokenizer(path.join(shared, base.shared));
  const extended = new ExtendedTokenizer({ tokenizer: loaded.tokenizer, rows: base.rows, users: 50, items: 40 });
  await saveHuggingFace(path.join(out, base.name), extended, loaded);
  console.log(base.name);
}

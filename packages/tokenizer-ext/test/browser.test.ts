// The core bundles for the browser, runs without any global of Node, and leaves out what is not used.
import fs from "node:fs";
import { fileURLToPath } from "node:url";
import vm from "node:vm";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";
import { tinyBase, tinyJson } from "./bases.js";

const here = fileURLToPath(new URL(".", import.meta.url));

async function bundle(contents: string): Promise<{ code: string; inputs: string[] }> {
  const result = await build({
    stdin: { contents, resolveDir: here, loader: "ts" },
    bundle: true,
    platform: "browser",
    format: "iife",
    globalName: "bundled",
    minify: true,
    write: false,
    metafile: true,
    logLevel: "silent",
  });
  return { code: result.outputFiles[0]!.text, inputs: Object.keys(result.metafile.inputs) };
}

const dist = (input: string) => input.includes("dist/");

describe("in the browser", () => {
  it("bundles and runs with nothing but what every browser has", async () => {
    const { code } = await bundle(`
      import { Tokenizer } from "@huggingface/tokenizers";
      import * as core from "@cllm4rec/tokenizer-ext";
      export function run(json, config, rows) {
        const tokenizer = new Tokenizer(json, config);
        const extended = new core.ExtendedTokenizer({ tokenizer, rows, users: 50, items: 40 });
        const ids = extended.encodePrompt(extended.parse("<user_1> has </s> a guitar <item_2>"));
        const batch = extended.encodeBatch([[{ user: 1 }, "guitar"]], { padId: 0 });
        const added = extended.toHuggingFace(json).added_tokens.length;
        return JSON.stringify([ids, extended.decode(ids), [...batch.ids], added, extended]);
      }`);
    const context = vm.createContext({ TextEncoder, TextDecoder, console: { warn: () => {} } });
    for (const name of ["byte-bpe", "unigram", "llama-first", "word-piece"]) {
      const { extended, json } = await tinyBase(name);
      const { tokenizer, config } = tinyJson(name);
      const call = `bundled.run(${JSON.stringify(tokenizer)}, ${JSON.stringify(config)}, ${extended.rows})`;
      const [ids, text, batch, added, saved] = JSON.parse(vm.runInContext(`${code}; ${call}`, context));
      expect(ids).toEqual(extended.encodePrompt(extended.parse("<user_1> has </s> a guitar <item_2>")));
      expect(text).toBe(extended.decode(ids));
      expect(batch).toEqual(extended.encodePrompt([{ user: 1 }, "guitar"]));
      expect(added).toBe(extended.toHuggingFace(json).added_tokens?.length);
      expect(saved).toEqual(JSON.parse(JSON.stringify(extended)));
    }
  });

  it("would notice a Node-only import", async () => {
    await expect(
      bundle('import { loadTokenizer } from "@cllm4rec/tokenizer-ext/node"; export { loadTokenizer };'),
    ).rejects.toThrow(/Could not resolve "node:/);
  });

  it("imports nothing at run time, the tokenizer library neither", async () => {
    const { inputs } = await bundle('export * from "@cllm4rec/tokenizer-ext";');
    expect(inputs.filter((input) => input.includes("node_modules/@huggingface"))).toEqual([]);
    expect(inputs.filter((input) => input !== "<stdin>").every(dist)).toBe(true);
    for (const file of inputs.filter(dist))
      expect(fs.existsSync(new URL(`../${file.slice(file.lastIndexOf("dist/"))}`, import.meta.url))).toBe(true);
  });
});

describe("tree shaking", () => {
  const size = async (statement: string) => (await bundle(statement)).code.length;

  it("leaves out everything but what is imported", async () => {
    const all = await size('export * from "@cllm4rec/tokenizer-ext";');
    const padding = await bundle('export { padSequences } from "@cllm4rec/tokenizer-ext";');
    const notation = await size('export { parsePrompt } from "@cllm4rec/tokenizer-ext";');
    expect(padding.code).not.toContain("encodePrompt");
    expect(padding.code.length).toBeLessThan(all / 4);
    expect(notation).toBeLessThan(all / 4);
    expect(await size('import "@cllm4rec/tokenizer-ext";')).toBeLessThan(200);
  });
});

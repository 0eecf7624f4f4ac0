// Directories: loading what Hugging Face ships, saving beside it, and one clear error for everything else.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { ExtendedTokenizer } from "@cllm4rec/tokenizer-ext";
import { loadExtended, loadTokenizer, saveExtension, saveHuggingFace } from "@cllm4rec/tokenizer-ext/node";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { golden, tinyBase, tinyJson } from "./bases.js";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "tokenizer-ext-"));
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

let directory = "";
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(root, "d-"));
});
const write = (name: string, body: unknown) =>
  fs.writeFileSync(path.join(directory, name), typeof body === "string" ? body : JSON.stringify(body));

describe("loadTokenizer", () => {
  it("reads tokenizer.json and tokenizer_config.json", async () => {
    const { tokenizer: json, config } = tinyJson("unigram");
    write("tokenizer.json", json);
    write("tokenizer_config.json", config);
    const loaded = await loadTokenizer(directory);
    expect(loaded.config).toEqual(config);
    const { extended } = await tinyBase("unigram");
    expect(loaded.tokenizer.encode("a guitar", { add_special_tokens: false }).ids).toEqual(
      extended.encodeText("a guitar"),
    );
  });

  it("does without the configuration, and without stages an old file leaves out", async () => {
    const { model } = tinyJson("llama-prepend").tokenizer;
    write("tokenizer.json", { model });
    const { tokenizer, config } = await loadTokenizer(directory);
    expect(config).toEqual({});
    expect(tokenizer.encode("guitar").ids.length).toBeGreaterThan(0);
  });

  it("reads vocab.json with merges.txt", async () => {
    const { vocab, merges } = tinyJson("byte-bpe").tokenizer.model;
    if (!Array.isArray(merges)) throw new Error("a BPE model has merges");
    write("vocab.json", vocab);
    write("merges.txt", `#version: 0.2\n${merges.map((merge) => merge.join(" ")).join("\n")}\n`);
    const { tokenizer } = await loadTokenizer(directory);
    const extended = new ExtendedTokenizer({ tokenizer, rows: 421, users: 1, items: 1 });
    for (const { text, ids } of golden("byte-bpe").data) {
      // no added tokens in the older pair of files
      if (!text.includes("[BOLD]")) expect(extended.encodeText(text)).toEqual(ids);
    }
    expect(extended.encodeText("<|endoftext|>")).not.toContain(0);
    expect(extended.specialToken("<|endoftext|>")).toBe(0);
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ["nothing", {}, /: found neither tokenizer\.json nor vocab\.json with merges\.txt/],
    ["half a pair", { "vocab.json": {} }, /: found neither tokenizer\.json nor vocab\.json with merges\.txt/],
    ["no JSON", { "tokenizer.json": '{"model": ' }, /tokenizer\.json: not valid JSON \(/],
    ["no object", { "tokenizer.json": "[1]" }, /tokenizer\.json: found \[1\], expected a JSON object/],
    ["no model", { "tokenizer.json": {} }, /tokenizer\.json: no usable model\.vocab and added_tokens found/],
    [
      "odd added tokens",
      { "tokenizer.json": { model: { vocab: {} }, added_tokens: [{}] } },
      /tokenizer\.json: no usable/,
    ],
    ["odd vocabulary", { "tokenizer.json": { model: { vocab: { a: "0" } } } }, /tokenizer\.json: no usable/],
    [
      "an unknown stage",
      { "tokenizer.json": { model: { type: "BPE", vocab: {}, merges: [] }, pre_tokenizer: { type: "Odd" } } },
      /: the tokenizer library cannot build this tokenizer \(Unknown PreTokenizer type: Odd\)/,
    ],
    ["odd ids", { "vocab.json": { a: "x" }, "merges.txt": "" }, /vocab\.json: found values that are not whole numbers/],
    [
      "merges of another vocabulary",
      { "vocab.json": { a: 0 }, "merges.txt": "a b" },
      /d-\w+: merges, line 1: found "a b"/,
    ],
    [
      "no configuration object",
      { "tokenizer.json": tinyJson("byte-bpe").tokenizer, "tokenizer_config.json": "3" },
      /tokenizer_config\.json: found 3/,
    ],
  ])("says what is wrong with %s", async (_, files, message) => {
    for (const [name, body] of Object.entries(files)) write(name, body);
    await expect(loadTokenizer(directory)).rejects.toThrow(message);
    await expect(loadTokenizer(directory)).rejects.toThrow(directory);
  });

  it("says what is wrong with a file that cannot be read", async () => {
    fs.mkdirSync(path.join(directory, "tokenizer.json"));
    await expect(loadTokenizer(directory)).rejects.toThrow(/tokenizer\.json: cannot be read \(EISDIR/);
  });
});

describe("saveExtension and loadExtended", () => {
  it("come back the same, with nothing else left in the directory", async () => {
    const { extended, json, config } = await tinyBase("word-piece");
    write("tokenizer.json", json);
    write("tokenizer_config.json", config);
    await saveExtension(directory, extended);
    await saveExtension(directory, extended);
    expect(fs.readdirSync(directory).sort()).toEqual([
      "tokenizer.json",
      "tokenizer_config.json",
      "tokenizer_extension.json",
    ]);
    const loaded = await loadExtended(directory);
    const prompt = [{ user: 7 }, " plays ", { item: 39 }];
    expect(loaded.extended.encodePrompt(prompt)).toEqual(extended.encodePrompt(prompt));
  });

  it("say which file is missing or wrong", async () => {
    const { extended, json } = await tinyBase("word-piece");
    write("tokenizer.json", json);
    await expect(loadExtended(directory)).rejects.toThrow(
      /tokenizer_extension\.json: not found; write it with saveExtension/,
    );
    await saveExtension(directory, extended);
    write("tokenizer.json", tinyJson("unigram").tokenizer);
    await expect(loadExtended(directory)).rejects.toThrow(
      /tokenizer_extension\.json: the file belongs to another base tokenizer/,
    );
  });

  it("leave no half-written file behind", async () => {
    const { extended } = await tinyBase("word-piece");
    fs.mkdirSync(path.join(directory, "tokenizer_extension.json")); // renaming over a directory fails
    await expect(saveExtension(directory, extended)).rejects.toThrow();
    expect(fs.readdirSync(directory)).toEqual(["tokenizer_extension.json"]);
  });
});

describe("saveHuggingFace", () => {
  it("writes a directory that loads again, with the ids in place", async () => {
    const { extended, json, config } = await tinyBase("llama-first");
    await saveHuggingFace(directory, extended, { json, config });
    expect(fs.readdirSync(directory).sort()).toEqual(["tokenizer.json", "tokenizer_config.json"]);
    const { tokenizer } = await loadTokenizer(directory);
    for (const { text, ids } of golden("llama-first").prompts) {
      expect(text === "" ? [] : tokenizer.encode(text, { add_special_tokens: false }).ids).toEqual(ids);
    }
    expect(() => new ExtendedTokenizer({ tokenizer, rows: 900, users: 1, items: 1 })).toThrow(/already/);
  });

  it("refuses the files of another base", async () => {
    const { extended } = await tinyBase("llama-first");
    await expect(saveHuggingFace(directory, extended, { json: tinyJson("unigram").tokenizer })).rejects.toThrow(
      /another base/,
    );
    expect(fs.readdirSync(directory)).toEqual([]);
  });
});

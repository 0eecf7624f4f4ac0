// The token cache: what goes in comes out, keys, damage at any byte, interrupted and simultaneous writers, bounded
// memory.
import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { hashTokenizer, openTokenCache, type TextCorpus, type TextRecord, type TokenCache } from "@cllm4rec/corpus";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { TokenFileReader } from "../src/documents/token-file.js";
import { tinyTokenizer } from "./tiny-tokenizer.js";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-cache-"));
afterAll(() => fs.rmSync(root, { recursive: true }));
let folders = 0;
const folder = () => path.join(root, String(folders++));

const run = promisify(execFile);
const child = path.join(import.meta.dirname, "children", "build-cache.mjs");
const buildInChild = async (directory: string, reviews: number, pause = 0, flags: string[] = []) => {
  const { stdout } = await run(process.execPath, [...flags, child, directory, String(reviews), String(pause)]);
  return JSON.parse(stdout) as {
    file: string;
    documents: number;
    reused: boolean;
    tokens: number;
    cached: number;
    maxRss: number;
  };
};

const tokenizer = tinyTokenizer(10, 10);
const corpusOf = (records: readonly TextRecord[], contentHash?: string): TextCorpus => ({
  kind: "reviews",
  ...(contentHash === undefined ? {} : { contentHash }),
  read: () => records,
});
const records: TextRecord[] = Array.from({ length: 700 }, (_, k) => ({
  user: k % 10,
  item: k % 7,
  text: `review ${k} `.repeat(k % 5),
}));

/** Everything in a cache, as [user, item, tokens]. */
function contents(cache: TokenCache): [number, number, number[]][] {
  return Array.from({ length: cache.documents }, (_, k) => {
    const tokens = new Int32Array(cache.tokenCount(k));
    cache.read(k, tokens.length, tokens);
    return [cache.user(k), cache.item(k), [...tokens]];
  });
}
const expected = records
  .filter(({ text }) => text !== "")
  .map(({ user, item, text }) => [user, item, tokenizer.encodeText(text)]);
const open = (directory: string, changes: Partial<Parameters<typeof openTokenCache>[0]> = {}) =>
  openTokenCache({ directory, tokenizer, tokenizerIdentity: "tiny", corpus: corpusOf(records), ...changes });

describe("the token cache", () => {
  test("gives back every text's tokens, with 2 and with 4 bytes a token, and counts texts without tokens", async () => {
    const text = fc.string({ unit: "binary", maxLength: 40 });
    const record = fc.record({ user: fc.integer({ min: -1, max: 9 }), item: fc.integer({ min: -1, max: 9 }), text });
    await fc.assert(
      fc.asyncProperty(
        fc.array(record, { maxLength: 20 }),
        fc.constantFrom(128, 65_536, 200_000),
        async (texts, rows) => {
          const tokenizer = tinyTokenizer(10, 10, rows);
          const directory = folder();
          const cache = await openTokenCache({
            directory,
            tokenizer,
            tokenizerIdentity: "tiny",
            corpus: corpusOf(texts),
          });
          const full = texts.filter(({ text }) => text !== "");
          expect(contents(cache)).toEqual(full.map(({ user, item, text }) => [user, item, tokenizer.encodeText(text)]));
          expect(cache.emptyTexts).toBe(texts.length - full.length);
          expect(cache.tokens).toBe(full.reduce((sum, { text }) => sum + tokenizer.encodeText(text).length, 0));
          cache.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  test("random access over more pages of the index than one", async () => {
    const directory = folder();
    const cache = await open(directory);
    const all = contents(cache);
    expect(all).toEqual(expected);
    for (let k = 0; k < 2000; k++) {
      const document = (k * 389) % cache.documents;
      const first = new Int32Array(3);
      cache.read(document, 3, first);
      expect([cache.user(document), [...first]]).toEqual([all[document]![0], all[document]![2].slice(0, 3)]);
    }
    expect(() => cache.user(cache.documents)).toThrow(/has no text 560; there are 560/);
    cache.close();
    expect(() => cache.read(0, 1, new Int32Array(1))).toThrow(/was closed/);
  });

  test("an index larger than the pages held is read in any order", async () => {
    const directory = folder();
    const many = Array.from({ length: 3000 }, (_, k) => ({ user: k % 10, item: k % 7, text: String(k) }));
    const cache = await open(directory, { corpus: corpusOf(many) });
    cache.close();
    for (const pages of [1, 2, 5, 4096]) {
      const reader = TokenFileReader.open(cache.file, cache.key, pages);
      if (typeof reader === "string") throw new Error(reader);
      for (let step = 0; step < 6000; step++) {
        const document = (step * step * 31 + step) % 3000;
        const tokens = new Int32Array(reader.tokenCount(document));
        reader.read(document, tokens.length, tokens);
        const found = [reader.user(document), reader.item(document), String.fromCharCode(...tokens)];
        expect(found).toEqual([document % 10, document % 7, String(document)]);
      }
      reader.close();
    }
  });

  test("tokenises once; another text, tokenizer, prefix or kind makes another file", async () => {
    const directory = folder();
    const first = await open(directory);
    expect(first.reused).toBe(false);
    const deaf = { ...tokenizer, encodeText: () => expect.unreachable("tokenised again") };
    const again = await open(directory, { tokenizer: deaf });
    expect([again.reused, again.key]).toEqual([true, first.key]);
    expect(contents(again)).toEqual(expected);
    const changed = records.with(5, { ...records[5]!, item: 9 });
    const others = [
      await open(directory, { corpus: corpusOf(changed) }),
      await open(directory, { corpus: corpusOf(records, "a hash of its own") }),
      await open(directory, { corpus: { ...corpusOf(records), kind: "item-texts" } }),
      await open(directory, { tokenizerIdentity: hashTokenizer({ model: {} }) }),
      await open(directory, { textPrefix: " " }),
      await open(directory, { tokenizer: tinyTokenizer(10, 10, 129) }),
    ];
    expect(new Set([first, ...others].map(({ file }) => file)).size).toBe(7);
    expect(others.map(({ reused }) => reused)).toEqual([false, false, false, false, false, false]);
    expect(contents(others[4]!)[0]![2]).toEqual(tokenizer.encodeText(` ${records[1]!.text}`));
    expect(fs.readdirSync(directory)).toHaveLength(7); // nothing temporary is left
    for (const cache of [first, again, ...others]) cache.close();
  });

  test("damage at any place is noticed and repaired", async () => {
    const directory = folder();
    const cache = await open(directory);
    const { file } = cache;
    cache.close();
    const sound = fs.readFileSync(file);
    const { length } = sound;
    const damages: [RegExp, Buffer][] = [
      [/^shorter than its header$/, Buffer.alloc(0)],
      [/^128 bytes long instead of \d+$/, sound.subarray(0, 128)],
      [new RegExp(`^${length - 1} bytes long instead of ${length}$`), sound.subarray(0, -1)],
      [new RegExp(`^${length >> 1} bytes long instead of ${length}$`), sound.subarray(0, length >> 1)],
      [new RegExp(`^${length + 1} bytes long instead of ${length}$`), Buffer.concat([sound, Buffer.of(0)])],
      [/^not a token file of this version/, Buffer.alloc(length, 7)],
    ];
    for (const at of [0, 9, 13, 17, 25, 33, 41, 73, 105, 127, 128, 1000, length - 5000, length - 1]) {
      const flipped = Buffer.from(sound);
      flipped[at]! ^= 1 << (at % 8);
      damages.push([
        at >= 128 ? /^damaged in its tokens or index$/ : /^(not a token file of|damaged in its header$)/,
        flipped,
      ]);
    }
    for (const [message, bytes] of damages) {
      fs.writeFileSync(file, bytes);
      const problems: string[] = [];
      const repaired = await open(directory, { onRebuild: ({ problem }) => problems.push(problem) });
      expect(repaired.reused).toBe(false);
      expect(problems).toEqual([expect.stringMatching(message)]);
      expect(contents(repaired)).toEqual(expected);
      repaired.close();
      expect(fs.readFileSync(file).equals(sound)).toBe(true);
    }
  });

  test("a file of another key under the same name is not taken", async () => {
    const directory = folder();
    const [one, other] = [await open(directory), await open(directory, { textPrefix: "?" })];
    one.close();
    other.close();
    fs.copyFileSync(other.file, one.file);
    const problems: string[] = [];
    const cache = await open(directory, { onRebuild: ({ problem }) => problems.push(problem) });
    expect(problems).toEqual(["made from other texts or by another tokenizer"]);
    expect(contents(cache)).toEqual(expected);
    cache.close();
  });

  test("abort, a failing source and a tokenizer that makes id tokens end in one error and leave nothing", async () => {
    const directory = folder();
    const controller = new AbortController();
    const aborting = open(directory, {
      corpus: corpusOf([...records, ...records, ...records], "x"),
      signal: controller.signal,
      onProgress: () => controller.abort(new Error("enough")),
    });
    await expect(aborting).rejects.toThrow("enough");
    const failing: TextCorpus = {
      kind: "reviews",
      contentHash: "y",
      *read() {
        yield records[1]!;
        throw new Error("reviews.json.gz, line 2: not JSON");
      },
    };
    await expect(open(directory, { corpus: failing })).rejects.toThrow("reviews.json.gz, line 2: not JSON");
    const forging = { ...tokenizer, encodeText: () => [1, 128] };
    await expect(open(directory, { tokenizer: forging })).rejects.toThrow(
      /reviews, text 1 \(user 1, item 1\): the tokenizer made id 128 of it; text may only have ids below 128/,
    );
    expect(fs.readdirSync(directory)).toEqual([]);
    await expect(open(directory, { tokenizerIdentity: "" })).rejects.toThrow(/tokenizerIdentity is empty/);
  });

  test("a folder that cannot be written is one clear error", async () => {
    const file = folder();
    fs.writeFileSync(file, "in the way");
    await expect(open(path.join(file, "cache"))).rejects.toThrow(
      /^token cache .*cache.*reviews-.*\.tokens: ENOTDIR.*; free space or choose another cache folder$/,
    );
  });

  test("several processes may build the same file at once", async () => {
    const directory = folder();
    const built = await Promise.all([0, 1, 2].map(() => buildInChild(directory, 4000, 20)));
    expect(new Set(built.map(({ file }) => file)).size).toBe(1);
    expect(built.map(({ documents, tokens }) => [documents, tokens])).toEqual(
      new Array(3).fill([4000, built[0]!.tokens]),
    );
    expect(fs.readdirSync(directory)).toEqual([path.basename(built[0]!.file)]);
    expect((await buildInChild(directory, 4000)).reused).toBe(true);
  });

  test("a killed writer leaves no file under the final name; its remains are removed an hour later", async () => {
    const directory = folder();
    const killed = run(process.execPath, [child, directory, "1000000", "50"]);
    const remains = () => (fs.existsSync(directory) ? fs.readdirSync(directory) : []);
    while (remains().length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    killed.child.kill("SIGKILL");
    await expect(killed).rejects.toThrow();
    expect(remains()).toHaveLength(2);
    expect(remains().every((name) => name.includes(".tokens.partial-"))).toBe(true);
    (await open(directory)).close();
    expect(remains()).toHaveLength(3); // still young: it might belong to somebody
    const old = new Date(Date.now() - 2 * 3_600_000);
    for (const name of remains()) fs.utimesSync(path.join(directory, name), old, old);
    (await open(directory, { textPrefix: "!" })).close();
    expect(remains()).toHaveLength(2); // the two caches
  });

  test("memory does not grow with the corpus: 200,000 reviews beside 2,000", { timeout: 120_000 }, async () => {
    const flags = ["--max-old-space-size=64", "--max-semi-space-size=2"];
    const small = await buildInChild(folder(), 2000, 0, flags);
    const large = await buildInChild(folder(), 200_000, 0, flags);
    expect([large.documents, large.cached]).toEqual([200_000, 9_899_600]);
    expect(large.tokens).toBeGreaterThan(9_000_000);
    // 70 MB of text, 20 MB of tokens and 3 MB of index went through; the index may be held, V8 takes some room of its
    // own.
    expect(large.maxRss - small.maxRss).toBeLessThan(40 * 1024);
  });
});

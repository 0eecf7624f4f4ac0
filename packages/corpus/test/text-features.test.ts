// The feature cache: each text computed once, whatever lies in the file.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { type TextEncoderModel, textFeatures } from "@cllm4rec/corpus";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

let cacheDirectory: string;
beforeEach(() => {
  cacheDirectory = fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-features-"));
});
afterEach(() => {
  fs.rmSync(cacheDirectory, { recursive: true, force: true });
});

/** Counts letters and spaces; records what it is asked for. */
function counter(fingerprint = "ab".repeat(32)) {
  const asked: string[] = [];
  const encoder: TextEncoderModel = {
    width: 2,
    fingerprint,
    encode: async (texts, { signal }) => {
      signal?.throwIfAborted();
      asked.push(...texts);
      return Float32Array.from(texts.flatMap((text) => [text.length, text.split(" ").length - 1]));
    },
  };
  return { encoder, asked };
}

const onlyFile = () => path.join(cacheDirectory, fs.readdirSync(cacheDirectory)[0]!);

describe("text features", () => {
  test("each text is computed once, new ones join the file, absent ones are zeros", async () => {
    const { encoder, asked } = counter();
    const first = await textFeatures(["a b", null, "abc", "", "a b"], encoder, { cacheDirectory });
    expect(first).toMatchObject({ rows: 5, columns: 2, computed: 2 });
    expect([...first.values]).toEqual([3, 1, 0, 0, 3, 0, 0, 0, 3, 1]);
    const again = await textFeatures(["abc", "a b"], encoder, { cacheDirectory });
    expect([...again.values, again.computed]).toEqual([3, 0, 3, 1, 0]);
    const more = await textFeatures(["new one", "abc"], encoder, { cacheDirectory });
    expect([...more.values, more.computed]).toEqual([7, 1, 3, 0, 1]);
    const { computed } = await textFeatures(["a b", "abc", "new one"], encoder, { cacheDirectory });
    expect(computed).toBe(0);
    expect(asked).toEqual(["a b", "abc", "new one"]);
    expect(fs.readdirSync(cacheDirectory)).toHaveLength(1);
  });

  test("another encoder has a file of its own; without a folder nothing is kept", async () => {
    await textFeatures(["x"], counter().encoder, { cacheDirectory });
    const other = counter("cd".repeat(32));
    await textFeatures(["x"], other.encoder, { cacheDirectory });
    await textFeatures(["x"], other.encoder);
    expect(other.asked).toEqual(["x", "x"]);
    expect(fs.readdirSync(cacheDirectory)).toHaveLength(2);
  });

  test("a file in which any byte has changed, or that is cut, is made again", async () => {
    const { encoder } = counter();
    await textFeatures(["a b", "abc"], encoder, { cacheDirectory });
    const file = onlyFile();
    const good = fs.readFileSync(file);
    const damaged = Array.from({ length: good.length }, (_, i) => {
      const bytes = Buffer.from(good);
      bytes[i]! ^= 1;
      return bytes;
    });
    for (const bytes of [...damaged, good.subarray(0, 50), good.subarray(0, -1), Buffer.concat([good, good])]) {
      fs.writeFileSync(file, bytes);
      const problems: string[] = [];
      const { values, computed } = await textFeatures(["a b", "abc"], encoder, {
        cacheDirectory,
        onRebuild: ({ problem }) => problems.push(problem),
      });
      expect([...values]).toEqual([3, 1, 3, 0]);
      expect([computed, problems.length]).toEqual([2, 1]);
    }
    expect(fs.readFileSync(file).equals(good)).toBe(true);
  });

  test("a file under the name of another encoder is not trusted", async () => {
    await textFeatures(["x"], counter().encoder, { cacheDirectory });
    const other = counter(`${"ab".repeat(31)}00`); // the same 32 digits in the name
    const problems: string[] = [];
    await textFeatures(["x"], other.encoder, { cacheDirectory, onRebuild: ({ problem }) => problems.push(problem) });
    expect([other.asked, problems]).toEqual([["x"], ["made by another encoder"]]);
  });

  test("an error keeps what is complete, and nothing else", async () => {
    const { encoder, asked } = counter();
    const texts = Array.from({ length: 8193 }, (_, i) => `text ${i}`);
    const failing: TextEncoderModel = {
      ...encoder,
      encode: (part, options) => {
        if (asked.length > 0) throw new Error("no memory");
        return encoder.encode(part, options);
      },
    };
    await expect(textFeatures(texts, failing, { cacheDirectory })).rejects.toThrow("no memory");
    expect((await textFeatures(texts, encoder, { cacheDirectory })).computed).toBe(1);
  });

  test("what is not finite, of the wrong size or without fingerprint is refused and not kept", async () => {
    const { encoder } = counter();
    const returning = (...values: number[]) => ({ ...encoder, encode: async () => Float32Array.from(values) });
    await expect(textFeatures(["x y"], returning(1, Number.NaN), { cacheDirectory })).rejects.toThrow(
      'the encoder returned NaN for the text "x y"',
    );
    await expect(textFeatures(["x"], returning(1), { cacheDirectory })).rejects.toThrow(
      "1 values for 1 texts, expected 2",
    );
    await expect(textFeatures(["x"], { ...encoder, fingerprint: "../x" })).rejects.toThrow("expected 64 hex digits");
    expect(fs.readdirSync(cacheDirectory)).toEqual([]);
    fs.writeFileSync(path.join(cacheDirectory, "file"), "");
    const inFile = { cacheDirectory: path.join(cacheDirectory, "file") };
    await expect(textFeatures(["x"], encoder, inFile)).rejects.toThrow(/feature cache .*choose another cache folder/);
  });
});

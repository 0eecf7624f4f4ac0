// Padding: sides, masks, fixed lengths, and refusal to cut.
import { padSequences } from "@cllm4rec/tokenizer-ext";
import { describe, expect, it } from "vitest";
import { tinyBase } from "./bases.js";

const rows = [[5, 6, 7], [], [8]];

describe("padSequences", () => {
  it("pads on the right by default", () => {
    const batch = padSequences(rows, { padId: 9 });
    expect(batch).toEqual({
      batchSize: 3,
      length: 3,
      ids: Int32Array.of(5, 6, 7, 9, 9, 9, 8, 9, 9),
      attentionMask: Int32Array.of(1, 1, 1, 0, 0, 0, 1, 0, 0),
      lengths: Int32Array.of(3, 0, 1),
    });
  });

  it("pads on the left, to a given length, rounded up", () => {
    const batch = padSequences(rows, { padId: 0, side: "left", length: 4, multipleOf: 3 });
    expect(batch.length).toBe(6);
    expect([...batch.ids]).toEqual([0, 0, 0, 5, 6, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8]);
    expect([...batch.attentionMask]).toEqual([0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  });

  it("takes typed arrays and an empty batch", () => {
    expect([...padSequences([Int32Array.of(1), Uint16Array.of(2, 3)], { padId: 0 }).ids]).toEqual([1, 0, 2, 3]);
    const empty = padSequences([], { padId: 0 });
    expect([empty.batchSize, empty.length, empty.ids.length]).toEqual([0, 0, 0]);
  });

  it("never cuts", () => {
    expect(() => padSequences(rows, { padId: 0, length: 2 })).toThrow(
      "sequence 0 has 3 ids, more than the batch length 2; shorten it before padding, or raise length",
    );
  });

  it.each([
    [{ padId: -1 }, "padId is -1"],
    [{ padId: 0.5 }, "padId is 0.5"],
    [{ padId: 0, multipleOf: 0 }, "multipleOf is 0"],
    [{ padId: 0, length: -1 }, "length is -1"],
    [{ padId: 0, side: "middle" }, 'side is "middle", expected "left" or "right"'],
  ])("refuses %j", (options, message) => {
    expect(() => Reflect.apply(padSequences, undefined, [rows, options])).toThrow(message);
  });
});

describe("encodeBatch", () => {
  it("encodes and pads prompts", async () => {
    const { extended } = await tinyBase("llama-first");
    const prompts = [[{ user: 1 }, " has", { item: 2 }], [{ user: 3 }]];
    const long = extended.encodePrompt(prompts[0]!);
    const batch = extended.encodeBatch(prompts, { padId: 2, side: "left" });
    expect([...batch.ids]).toEqual([...long, ...new Array(long.length - 1).fill(2), extended.userToken(3)]);
    expect([...batch.lengths]).toEqual([long.length, 1]);
  });

  it("refuses an id token or an unknown id as padding", async () => {
    const { extended } = await tinyBase("llama-first");
    expect(() => extended.encodeBatch([], { padId: 608 })).toThrow(
      "padId 608 is an id token, expected an id below 608",
    );
    expect(() => extended.encodeBatch([], { padId: 1e6 })).toThrow(RangeError);
  });
});

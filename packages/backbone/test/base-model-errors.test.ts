// Bad input to the base model: one message that says where, what was found and what was expected; and what is left as
// it was.
import { BaseModel, type SoftTables } from "@cllm4rec/backbone";
import { describe, expect, it } from "vitest";
import { modelDirectory, modelOpener, table } from "./goldens.js";

// llama: N = 48 words, K = 16, 64 positions. Extended ids: users 48 … 50, items 51 … 54.
const open = modelOpener();
const zeros = (rows: number) => table(new Float32Array(rows * 16), 16);
const tables: SoftTables = { users: zeros(3), items: zeros(4) };
const opened = open.backbone(modelDirectory("llama")).then((backbone) => open.model(backbone, { users: 3, items: 4 }));

/** Every call takes sequences of ids in its own way; all check them alike. */
const CALLS = [
  ["hiddenStates", (model: BaseModel, ids: number[], t: SoftTables) => model.hiddenStates([[1], ids], t)],
  ["itemScores", (model: BaseModel, ids: number[], t: SoftTables) => model.itemScores([[1], ids], t)],
  ["nextWordLogits", (model: BaseModel, ids: number[], t: SoftTables) => model.nextWordLogits([[1], ids], t)],
  [
    "nextWordLoss",
    (model: BaseModel, ids: number[], t: SoftTables) =>
      model.nextWordLoss(
        [
          { ids: [1], targets: [2] },
          { ids, targets: ids.map(() => 1) },
        ],
        t,
      ),
  ],
  [
    "nextItemLoss",
    (model: BaseModel, ids: number[], t: SoftTables) =>
      model.nextItemLoss(
        [
          { ids: [1], targets: [51] },
          { ids, targets: ids.map(() => 52) },
        ],
        t,
      ),
  ],
  [
    "heldOutLoss",
    (model: BaseModel, ids: number[], t: SoftTables) =>
      model.heldOutLoss(
        [
          { ids: [1], heldOut: [0] },
          { ids, heldOut: [1] },
        ],
        t,
      ),
  ],
] as const;

describe.each(CALLS)("%s", (_, call) => {
  it.each([
    ["an id beyond the items", [1, 55], "sequence 1, position 1: id 55 is outside the extended vocabulary 0 … 54"],
    ["a negative id", [-1], "sequence 1, position 0: id -1 is outside the extended vocabulary 0 … 54"],
    ["half an id", [1, 2, 0.5], "sequence 1, position 2: id 0.5 is outside the extended vocabulary 0 … 54"],
    ["no number", [Number.NaN], "sequence 1, position 0: id NaN is outside the extended vocabulary 0 … 54"],
    ["an empty sequence", [], "sequence 1 is empty"],
    [
      "a sequence that is too long",
      new Array<number>(65).fill(1),
      "sequence 1 has 65 tokens; the backbone has positions for 64",
    ],
  ])("refuses %s", async (_, ids, message) => {
    await expect(call(await opened, ids, tables)).rejects.toThrow(new RangeError(message));
  });

  it.each([
    ["users", { ...tables, users: zeros(2) }, "table users: 2 rows, 32 numbers; expected 3 rows of width 16"],
    ["items", { ...tables, items: zeros(5) }, "table items: 5 rows, 80 numbers; expected 4 rows of width 16"],
    [
      "items, by its width",
      { ...tables, items: { rows: 4, data: new Float32Array(4 * 8) } },
      "table items: 4 rows, 32 numbers; expected 4 rows of width 16",
    ],
  ])("refuses a table of the wrong size: %s", async (_, wrong, message) => {
    await expect(call(await opened, [1, 2], wrong)).rejects.toThrow(new RangeError(message));
  });

  it("takes the longest sequence, and works on after errors", async () => {
    const model = await opened;
    await expect(call(model, [99], tables)).rejects.toThrow(RangeError);
    await expect(call(model, new Array<number>(64).fill(54), tables)).resolves.toBeDefined();
  });
});

describe("targets", () => {
  it.each([
    [[51, 3], "document 0, position 1: target 3, expected an item, 51 … 54, or −1 for none"],
    [[-1, 50], "document 0, position 1: target 50, expected an item, 51 … 54, or −1 for none"],
    [[55, -1], "document 0, position 0: target 55, expected an item, 51 … 54, or −1 for none"],
    [[51.5, -1], "document 0, position 0: target 51.5, expected an item, 51 … 54, or −1 for none"],
    [[-2, 51], "document 0, position 0: target -2, expected an item, 51 … 54, or −1 for none"],
    [[51], "document 0: 1 targets for 2 tokens"],
    [[-1, -1], "the documents have no targets"],
  ])("of next items: %j", async (targets, message) => {
    const call = (await opened).nextItemLoss([{ ids: [1, 2], targets }], tables);
    await expect(call).rejects.toThrow(new RangeError(message));
  });

  it.each([
    [[1, 48], "document 0, position 1: target 48, expected a vocabulary token, 0 … 47, or −1 for none"],
    [[-1, 54], "document 0, position 1: target 54, expected a vocabulary token, 0 … 47, or −1 for none"],
    [[0.5, 1], "document 0, position 0: target 0.5, expected a vocabulary token, 0 … 47, or −1 for none"],
    [[1, 2, 3], "document 0: 3 targets for 2 tokens"],
  ])("of next words: %j", async (targets, message) => {
    const call = (await opened).nextWordLoss([{ ids: [1, 2], targets }], tables);
    await expect(call).rejects.toThrow(new RangeError(message));
  });

  it.each([
    [[], "document 0 has no held-out item"],
    [[4], "document 0: held-out item 4, expected 0 … 3"],
    [[0, -1], "document 0: held-out item -1, expected 0 … 3"],
    [[1.5], "document 0: held-out item 1.5, expected 0 … 3"],
    [[51], "document 0: held-out item 51, expected 0 … 3"],
  ])("of held-out items: %j", async (heldOut, message) => {
    const call = (await opened).heldOutLoss([{ ids: [1, 2], heldOut }], tables);
    await expect(call).rejects.toThrow(new RangeError(message));
  });
});

it("refuses an empty batch, and sizes that are no counts", async () => {
  const model = await opened;
  await expect(model.nextWordLoss([], tables)).rejects.toThrow(new RangeError("there are no sequences to pack"));
  expect(() => new BaseModel(model.backbone, { users: -1, items: 2 })).toThrow(
    new RangeError("users: -1, expected a whole number"),
  );
  expect(() => new BaseModel(model.backbone, { users: 1, items: 2.5 })).toThrow(
    new RangeError("items: 2.5, expected a whole number"),
  );
});

it("an abort rejects with its reason, before and during a run", async () => {
  const model = await opened;
  const reason = new Error("enough");
  await expect(model.hiddenStates([[1]], tables, AbortSignal.abort(reason))).rejects.toBe(reason);
  const controller = new AbortController();
  const run = model.nextWordLoss([{ ids: [1, 2], targets: [2, 3] }], tables, { signal: controller.signal });
  controller.abort(reason);
  await expect(run).rejects.toBe(reason);
  await expect(model.hiddenStates([[1]], tables)).resolves.toHaveLength(1);
});

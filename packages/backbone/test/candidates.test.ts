// A softmax over some of the items: the loss by its definition, and no gradient for the others.
import type { SoftTables } from "@cllm4rec/backbone";
import { expect, it } from "vitest";
import { modelDirectory, modelOpener, table } from "./goldens.js";

// N = 48 words, K = 16. Extended ids: users 48 … 50, items 51 … 54.
const open = modelOpener();
const K = 16;
const numbers = (count: number, seed: number) =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(seed + 1.7 * i) / 2);
const tables: SoftTables = { users: table(numbers(3 * K, 1), K), items: table(numbers(4 * K, 2), K) };
const opened = open.backbone(modelDirectory("llama")).then((backbone) => open.model(backbone, { users: 3, items: 4 }));
const documents = [
  { ids: [5, 51, 7], heldOut: [2] },
  { ids: [9, 53, 6, 51], heldOut: [0, 3] },
];
const candidates = Int32Array.of(0, 2, 3);

it("is −log softmax over the candidates' scores, with gradients for candidates and prompt items alone", async () => {
  const model = await opened;
  const scores = await model.itemScores(
    documents.map(({ ids }) => ids),
    tables,
  );
  const { documentLosses, gradients } = await model.heldOutLoss(documents, tables, { candidates });
  documents.forEach(({ heldOut }, d) => {
    const logits = Array.from(candidates, (item) => scores[d * 4 + item]!);
    const logSum = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
    const expected = heldOut.reduce((sum, item) => sum + logSum - scores[d * 4 + item]!, 0);
    expect(documentLosses[d]).toBeCloseTo(expected, 4);
  });
  expect(gradients!.items.rows).toEqual(Int32Array.of(0, 1, 2, 3));
  expect(gradients!.items.data.subarray(K, 2 * K)).toEqual(new Float32Array(K));
  const all = await model.heldOutLoss(documents, tables);
  expect(all.gradients!.items.data.subarray(K, 2 * K)).not.toEqual(new Float32Array(K));
  const again = await model.heldOutLoss(documents, tables, { candidates, reusableGradients: all.gradients! });
  expect(again.gradients!.items.data).toEqual(gradients!.items.data);
});

it("refuses a target that is no candidate", async () => {
  await expect((await opened).heldOutLoss([{ ids: [5, 51], heldOut: [1] }], tables, { candidates })).rejects.toThrow(
    new RangeError("document 0: target 1 is not among the 3 candidates"),
  );
});

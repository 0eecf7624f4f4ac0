// The base model against its twin in PyTorch: losses of the three heads and gradients of all user and item rows,
// elementwise.
import type {
  BaseModel,
  EncoderDecoderSequence,
  LossGradients,
  LossOptions,
  LossResult,
  Reduction,
  RowGradients,
  SoftTables,
} from "@cllm4rec/backbone";
import { sampled } from "@cllm4rec/testing";
import { describe, expect, it } from "vitest";
import { expectRelative, goldenRecord, goldenTensors, modelDirectory, modelOpener, table } from "./goldens.js";

type Kind = "nextItem" | "nextWord" | "heldOut";

/** One sequence for a decoder-only LM, two for T5. */
type TwinDocument = { readonly targets: number[] } & (
  | { readonly ids: number[] }
  | { readonly encoderIds: number[]; readonly decoderIds: number[] }
);

interface Documents {
  readonly documents: TwinDocument[];
  readonly loss: Record<Reduction, number>;
  readonly documentLosses: number[];
  readonly targets: number;
}

interface Twin {
  readonly users: number;
  readonly items: number;
  readonly kinds: Record<Kind, Documents>;
}

const open = modelOpener();
const REDUCTIONS: Reduction[] = ["sum", "target-mean", "document-mean"];

/** The loss of this kind over documents in the oracle's form. */
function lossOf(
  model: BaseModel,
  kind: Kind,
  documents: Documents["documents"],
  tables: SoftTables,
  options: LossOptions,
): Promise<LossResult> {
  if (kind === "nextItem") return model.nextItemLoss(documents, tables, options);
  if (kind === "nextWord") return model.nextWordLoss(documents, tables, options);
  return model.heldOutLoss(
    documents.map(({ targets, ...sequence }) => ({ ...sequence, heldOut: targets })),
    tables,
    options,
  );
}

/** The prompt of a document, as `itemScores` and the like take it. */
const promptOf = (document: TwinDocument): number[] | EncoderDecoderSequence =>
  "ids" in document ? document.ids : document;

/** All tokens that the LM reads. */
const tokensOf = (document: TwinDocument): number[] =>
  "ids" in document ? document.ids : [...document.encoderIds, ...document.decoderIds];

/** The whole table's gradient: zero for every row that is not listed. */
function dense({ rows, data }: RowGradients, count: number, width: number): Float32Array {
  const all = new Float32Array(count * width);
  for (const [r, row] of rows.entries()) all.set(data.subarray(r * width, (r + 1) * width), row * width);
  return all;
}

/** The rows of a table [rows, width] whose soft token (first + row) occurs in the documents, ascending. */
function rowsInPrompts(documents: Documents["documents"], first: number, count: number): number[] {
  const present = new Set(documents.flatMap(tokensOf).map((id) => id - first));
  return Array.from({ length: count }, (_, row) => row).filter((row) => present.has(row));
}

const TWINS = ["gpt2-untied", "llama-gqa", "qwen2", "t5", "t5-gated", "gemma3", "opt-projected", "gpt-neox"];

describe.each(TWINS)("%s", (name) => {
  const { users, items, kinds } = goldenRecord<Twin>(`base-${name}`);
  const setUp = async () => {
    const backbone = await open.backbone(modelDirectory(name));
    const golden = await goldenTensors(`base-${name}`);
    const width = backbone.config.hiddenSize;
    const tables = { users: table(golden("table.users"), width), items: table(golden("table.items"), width) };
    return { model: open.model(backbone, { users, items }), golden, tables, width };
  };

  it.each(["nextItem", "nextWord", "heldOut"] as const)("%sLoss and its gradients", async (kind) => {
    const { model, golden, tables, width } = await setUp();
    const { documents, loss, documentLosses, targets } = kinds[kind];
    const { words } = model.vocabulary;
    let reusableGradients: LossGradients | undefined;
    for (const reduction of REDUCTIONS) {
      // The second and third loss take over the memory of the one before.
      const result = await lossOf(model, kind, documents, tables, {
        reduction,
        ...(reusableGradients && { reusableGradients }),
      });
      if (reusableGradients && kind !== "nextWord") expect(reusableGradients.items.data).toHaveLength(0);
      reusableGradients = result.gradients;
      expectRelative([result.loss], [loss[reduction]], `${reduction} loss`);
      expectRelative(result.documentLosses, documentLosses, "document losses");
      expect(result.targets).toBe(targets);
      expect(result.usefulTokens).toBe(documents.flatMap(tokensOf).length);
      const { users: userRows, items: itemRows } = result.gradients!;
      expectRelative(dense(userRows, users, width), golden(`${kind}.${reduction}.users`), `${reduction}, users`);
      expectRelative(dense(itemRows, items, width), golden(`${kind}.${reduction}.items`), `${reduction}, items`);
      // Exactly the rows involved: users and items of the prompts, and every item where the head is tied to them.
      expect([...userRows.rows]).toEqual(rowsInPrompts(documents, words, users));
      const allItems = Array.from({ length: items }, (_, j) => j);
      const inPrompts = rowsInPrompts(documents, words + users, items);
      expect([...itemRows.rows]).toEqual(kind === "nextWord" ? inPrompts : allItems);
    }
    const without = await lossOf(model, kind, documents, tables, { gradients: false });
    expectRelative([without.loss], [loss["target-mean"]], "loss without gradients");
    expect(without.gradients).toBeUndefined();
  });

  it("hidden states, item scores and next-word logits", async () => {
    const { model, golden, tables } = await setUp();
    const prompts = kinds.heldOut.documents.map(promptOf);
    const hidden = await model.hiddenStates(prompts, tables);
    const scores = await model.itemScores(prompts, tables);
    const logits = await model.nextWordLogits(prompts, tables);
    const { words } = model.vocabulary;
    expect([scores.length, logits.length]).toEqual([prompts.length * items, prompts.length * words]);
    prompts.forEach((_, i) => {
      expectRelative(hidden[i]!, golden(`prompt.${i}.hidden`), `hidden states ${i}`);
      expectRelative(scores.subarray(i * items, (i + 1) * items), golden(`prompt.${i}.items`), `item scores ${i}`);
      expectRelative(logits.subarray(i * words, (i + 1) * words), golden(`prompt.${i}.words`), `logits ${i}`);
    });
  });

  // t5 has ReLU, whose kinks a difference in F32 is too coarse to keep away from; t5-gated has the same graph without
  // them.
  it.skipIf(name === "t5").each(["nextItem", "nextWord", "heldOut"] as const)(
    "%s gradients are those of finite differences",
    async (kind) => {
      const { model, tables, width } = await setUp();
      const { documents } = kinds[kind];
      const { gradients } = await lossOf(model, kind, documents, tables, { reduction: "sum" });
      // The documents' losses are added up here, in float64: one F32 number for all of them would be too coarse for
      // differences.
      const lossWith = async (changed: SoftTables) => {
        const { documentLosses } = await lossOf(model, kind, documents, changed, {
          reduction: "sum",
          gradients: false,
        });
        return documentLosses.reduce((a, b) => a + b, 0);
      };
      const step = 2 ** -6;
      for (const which of ["users", "items"] as const) {
        const { rows, data } = tables[which];
        const found = dense(gradients![which], rows, width);
        // Of every row some elements, other ones in each row.
        const stride = sampled(5, 1);
        const elements = Array.from(data.keys()).filter((k) => (k + Math.floor(k / width)) % stride === 0);
        const differences: number[] = [];
        for (const k of elements) {
          const at = (delta: number) =>
            lossWith({ ...tables, [which]: { rows, data: data.with(k, data[k]! + delta) } });
          // Fourth order: (8·(f(+h) − f(−h)) − (f(+2h) − f(−2h))) / 12h
          const [near, far] = [(await at(step)) - (await at(-step)), (await at(2 * step)) - (await at(-2 * step))];
          differences.push((8 * near - far) / (12 * step));
        }
        expectRelative(
          elements.map((k) => found[k]!),
          differences,
          which,
          5e-3,
        );
      }
    },
  );
});

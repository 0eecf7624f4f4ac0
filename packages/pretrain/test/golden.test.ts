// A whole run, warm-up and two rounds of the alternation, against the same run written in PyTorch: every objective and
// every number.
import fs from "node:fs";
import path from "node:path";
import {
  Backbone,
  BaseModel,
  type LossOptions,
  type LossResult,
  type SoftTables,
  type TokenInput,
} from "@cllm4rec/backbone";
import { definePrompts } from "@cllm4rec/corpus";
import { pretrain } from "@cllm4rec/pretrain";
import { asciiTokenizer, expectClose } from "@cllm4rec/testing";
import type { StepDone } from "@cllm4rec/training";
import { initialTables, type TokenTables } from "@cllm4rec/training/stage";
import { expect, it } from "vitest";
import { choices, fixtures, texts, tinyGpt2 } from "./helpers.js";

/** Keeps the documents of every loss that is asked for. */
class RecordingModel extends BaseModel {
  readonly recorded: { ids: number[]; targets: number[] }[][] = [];

  override nextItemLoss(
    documents: readonly TokenInput[],
    tables: SoftTables,
    options?: LossOptions,
  ): Promise<LossResult> {
    this.record(documents);
    return super.nextItemLoss(documents, tables, options);
  }

  override nextWordLoss(
    documents: readonly TokenInput[],
    tables: SoftTables,
    options?: LossOptions,
  ): Promise<LossResult> {
    this.record(documents);
    return super.nextWordLoss(documents, tables, options);
  }

  private record(documents: readonly TokenInput[]): void {
    this.recorded.push(documents.map(({ ids, targets }) => ({ ids: Array.from(ids), targets: Array.from(targets) })));
  }
}

it("is the run that PyTorch makes of the same batches", async () => {
  const [users, items] = [5, 8];
  const backbone = await Backbone.open(tinyGpt2);
  const model = new RecordingModel(backbone, { users, items });
  const tables = initialTables({ users, items, width: 8, seed: 2, priorDeviation: 0.4, contentDeviation: 0.2 });
  const settings = { lambdaC: 0.8, learningRate: { collaborative: 0.02, content: 0.05 } };
  const steps: StepDone[] = [];
  const result = await pretrain({
    model,
    tokenizer: asciiTokenizer(users, items),
    tables,
    train: choices(users, items),
    texts: texts(users, items),
    seed: 6,
    warmUpEpochs: 1,
    rounds: 2,
    batch: { documents: 2 },
    textBatch: { documents: 3 },
    learningRate: settings.learningRate.collaborative,
    contentLearningRate: settings.learningRate.content,
    lambdaC: settings.lambdaC,
    adam: { rows: "dense" },
    prompts: definePrompts({ interactions: "{user} took" }),
    onEvent: (event) => {
      if (event.type === "step") steps.push(event);
    },
  });
  await model.dispose();
  await backbone.dispose();

  const numbers = ({ collaborative, content }: TokenTables) =>
    Object.fromEntries(
      Object.entries({ collaborative, content: content! }).map(([side, soft]) => [
        side,
        { users: [...soft.users.data], items: [...soft.items.data] },
      ]),
    );
  const batches = model.recorded.map((documents, i) => ({ task: steps[i]!.task, documents }));
  const recorded = JSON.stringify({ users, items, settings, tables: numbers(tables), batches });
  await expect(`${recorded}\n`).toMatchFileSnapshot(path.join(fixtures, "batches.json"));

  const golden: { objectives: number[]; tables: Record<string, { users: number[]; items: number[] }> } = JSON.parse(
    fs.readFileSync(path.join(fixtures, "golden.json"), "utf8"),
  );
  expect(steps.map(({ task }) => task).join(" ")).toBe(
    "warm-up warm-up warm-up l-step l-step l-step c-step c-step c-step l-step l-step l-step c-step c-step c-step",
  );
  expectClose(
    steps.map(({ objective }) => objective),
    golden.objectives,
    { rtol: 1e-4, label: "objectives" },
  );
  const found = numbers(result.tables);
  for (const side of ["collaborative", "content"] as const) {
    for (const kind of ["users", "items"] as const) {
      expectClose(found[side]![kind], golden.tables[side]![kind], { rtol: 1e-4, atol: 2e-5, label: `${side} ${kind}` });
    }
  }
});

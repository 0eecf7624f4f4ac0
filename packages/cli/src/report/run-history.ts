// What happened in a run, from its events.jsonl: the steps that count, validations, checkpoints and notices.
import fs from "node:fs";
import readline from "node:readline";
import { z } from "zod";

const stage = z.string();
const number = z.number();
// Fields that the report does not use may be missing or new; types that it does not know are passed over.
const schemas = {
  "run-started": z.object({ stage, update: number }),
  notice: z.object({ stage, code: z.string(), message: z.string() }),
  step: z.object({
    stage,
    phase: z.string(),
    task: z.string(),
    round: number,
    step: number,
    steps: number,
    update: number,
    languageModel: number,
    mutual: number,
    usefulTokens: number,
    computedTokens: number,
    milliseconds: number,
  }),
  validation: z.object({
    stage,
    round: number,
    update: number,
    users: number,
    metrics: z.record(z.string(), number),
    best: z.boolean(),
    milliseconds: number,
  }),
  checkpoint: z.object({ stage, update: number, milliseconds: number }),
  "run-ended": z.object({ stage, reason: z.string(), update: number }),
} as const;
const typeSchema = z.object({ type: z.string(), time: z.string().exactOptional() });

export type Step = z.infer<(typeof schemas)["step"]>;
export type Validation = z.infer<(typeof schemas)["validation"]>;
type Ended = z.infer<(typeof schemas)["run-ended"]>;

/** One stage's events. Where a resumed run repeated updates, the later ones count. */
export interface StageHistory {
  readonly stage: string;
  readonly steps: readonly Step[];
  readonly validations: readonly Validation[];
  /** Milliseconds of each save, including those of repeated updates. */
  readonly checkpoints: readonly number[];
  /** How often the stage was started or resumed. */
  readonly sittings: number;
  readonly ended?: Ended;
}

export interface RunHistory {
  readonly stages: readonly StageHistory[];
  /** Messages by code, each once. */
  readonly notices: readonly { readonly stage: string; readonly message: string }[];
  /** ISO 8601, of the first and last event. */
  readonly from?: string;
  readonly to?: string;
  /** Lines that could not be read. */
  readonly unreadable: number;
}

/** The steps of each task, in the order in which the tasks began. */
export function stepsByTask(steps: readonly Step[]): Map<string, Step[]> {
  const tasks = new Map<string, Step[]>();
  for (const step of steps) {
    const found = tasks.get(step.task);
    if (found) found.push(step);
    else tasks.set(step.task, [step]);
  }
  return tasks;
}

interface OpenStage {
  readonly stage: string;
  steps: Step[];
  validations: Validation[];
  readonly checkpoints: number[];
  sittings: number;
  ended?: Ended;
}

/** Reads a run's log, a line at a time; `undefined` where there is none. */
export async function readHistory(file: string): Promise<RunHistory | undefined> {
  if (!fs.existsSync(file)) return undefined;
  const stages = new Map<string, OpenStage>();
  const notices = new Map<string, { stage: string; message: string }>();
  let from: string | undefined;
  let to: string | undefined;
  let unreadable = 0;
  const stageOf = (name: string): OpenStage => {
    const found = stages.get(name) ?? { stage: name, steps: [], validations: [], checkpoints: [], sittings: 0 };
    stages.set(name, found);
    return found;
  };
  const listen = (line: string): void => {
    const json: unknown = JSON.parse(line);
    const { type, time } = typeSchema.parse(json);
    from ??= time;
    to = time ?? to;
    switch (type) {
      case "run-started": {
        const event = schemas["run-started"].parse(json);
        const open = stageOf(event.stage);
        open.sittings++;
        // What was done after the last checkpoint is done again.
        open.steps = open.steps.filter(({ update }) => update <= event.update);
        open.validations = open.validations.filter(({ update }) => update <= event.update);
        delete open.ended;
        break;
      }
      case "notice": {
        const event = schemas.notice.parse(json);
        notices.set(`${event.stage} ${event.code} ${event.message}`, event);
        break;
      }
      case "step": {
        const event = schemas.step.parse(json);
        stageOf(event.stage).steps.push(event);
        break;
      }
      case "validation": {
        const event = schemas.validation.parse(json);
        stageOf(event.stage).validations.push(event);
        break;
      }
      case "checkpoint": {
        const event = schemas.checkpoint.parse(json);
        stageOf(event.stage).checkpoints.push(event.milliseconds);
        break;
      }
      case "run-ended": {
        const event = schemas["run-ended"].parse(json);
        stageOf(event.stage).ended = event;
        break;
      }
    }
  };
  const lines = readline.createInterface({ input: fs.createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY });
  for await (const line of lines) {
    if (line === "") continue;
    try {
      listen(line);
    } catch {
      unreadable++;
    }
  }
  return {
    stages: [...stages.values()],
    notices: [...notices.values()],
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
    unreadable,
  };
}

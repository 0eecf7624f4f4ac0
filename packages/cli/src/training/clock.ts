// The time that each stage has trained for, interruptions included: stored with the training state, so that a time
// limit holds for a resumed run.
import fs from "node:fs/promises";
import path from "node:path";
import { TrainingError } from "@cllm4rec/training";
import { z } from "zod";
import { writeWhole } from "../files/whole-file.js";
import type { StageName } from "../settings/config.js";

const entry = z.strictObject({
  /** Seconds of work that the saved training state holds. */
  seconds: z.number().nonnegative(),
  /** Whether its time is used up for good: what follows was begun. */
  over: z.boolean(),
});
const clockSchema = z.strictObject({ pretrain: entry, finetune: entry });

/** Seconds by stage, on disk. */
export class StageClock {
  private constructor(
    private readonly file: string,
    private readonly entries: z.infer<typeof clockSchema>,
  ) {}

  /** @throws TrainingError where the file is damaged */
  static async open(out: string): Promise<StageClock> {
    const file = path.join(out, "training-state", "clock.json");
    const none = { seconds: 0, over: false };
    const text = await fs.readFile(file, "utf8").catch(() => undefined);
    if (text === undefined) return new StageClock(file, { pretrain: { ...none }, finetune: { ...none } });
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      json = undefined;
    }
    const parsed = clockSchema.safeParse(json);
    if (!parsed.success)
      throw new TrainingError(`${file}: is damaged; remove it, and the time used so far counts as none`);
    return new StageClock(file, parsed.data);
  }

  seconds(stage: StageName): number {
    return this.entries[stage].seconds;
  }

  isOver(stage: StageName): boolean {
    return this.entries[stage].over;
  }

  /** Remembers in memory; {@link save} writes it down. */
  set(stage: StageName, seconds: number, over = false): void {
    this.entries[stage] = { seconds, over };
  }

  async save(): Promise<void> {
    await writeWhole(this.file, `${JSON.stringify(this.entries)}\n`);
  }
}

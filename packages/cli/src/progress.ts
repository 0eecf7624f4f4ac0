// Stages of a long command on stderr: a bar for a person at a terminal, one line a stage for a log.
import cliProgress from "cli-progress";
import type { Output } from "./context.js";

/** Shows one stage at a time. */
export class StageDisplay {
  #bar: cliProgress.SingleBar | undefined;

  constructor(private readonly output: Output) {}

  /** Ends the stage before, if any, and begins the next. */
  start(label: string): void {
    this.stop();
    if (!this.output.isTTY) {
      this.output.write(`${label}\n`);
      return;
    }
    this.#bar = new cliProgress.SingleBar({
      stream: this.output,
      format: `${label} {bar} {percentage}%`,
      barCompleteChar: "█",
      barIncompleteChar: "░",
      barsize: 24,
      hideCursor: true,
      clearOnComplete: true,
    });
    this.#bar.start(1, 0);
  }

  /** @param share of the stage that is done, in [0, 1]. */
  update(share: number): void {
    this.#bar?.update(share);
  }

  /** A line that stays, above whatever moves. */
  say(message: string): void {
    this.stop();
    this.output.write(`${message}\n`);
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}

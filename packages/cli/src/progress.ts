// Stages of a long command on stderr: a bar for a person at a terminal, one line a stage for a log.
import cliProgress from "cli-progress";
import type { Output } from "./context.js";
import { EscapedOutput, oneLine } from "./terminal.js";

/** Shows one stage at a time. */
export class StageDisplay {
  #bar: cliProgress.SingleBar | undefined;

  constructor(private readonly output: Output) {}

  /** Where the bar is drawn, past the escaping of texts. */
  private get screen(): Output {
    return this.output instanceof EscapedOutput ? this.output.raw : this.output;
  }

  /** Ends the stage before, if any, and begins the next. */
  start(label: string): void {
    if (!this.output.isTTY) this.output.write(`${label}\n`);
    this.begin(label);
  }

  /** The same without a line in a log: for what is shorter than a line is worth. */
  begin(label: string): void {
    this.stop();
    if (!this.output.isTTY) return;
    this.#bar = new cliProgress.SingleBar({
      stream: this.screen,
      format: "{label} {bar} {percentage}%  {note}",
      barCompleteChar: "█",
      barIncompleteChar: "░",
      barsize: 24,
      hideCursor: true,
      clearOnComplete: true,
    });
    this.#bar.start(1, 0, { label: oneLine(label), note: "" });
  }

  /**
   * @param share of the stage that is done, in [0, 1]
   * @param note what else is to be seen beside the bar
   */
  update(share: number, note = ""): void {
    this.#bar?.update(share, { note: oneLine(note) });
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

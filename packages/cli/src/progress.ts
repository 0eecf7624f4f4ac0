// Stages of a long command on stderr: a bar for a person at a terminal, one line a stage for a log.
import cliProgress from "cli-progress";
import type { Output, Verbosity } from "./context.js";
import { seconds } from "./format.js";
import { EscapedOutput, oneLine } from "./terminal.js";

/** Shows one stage at a time. */
export class StageDisplay {
  #bar: cliProgress.SingleBar | undefined;
  #stage: { readonly label: string; readonly since: number } | undefined;

  constructor(
    private readonly output: Output,
    private readonly verbosity: Verbosity = "normal",
  ) {}

  /** Where the bar is drawn, past the escaping of texts. */
  private get screen(): Output {
    return this.output instanceof EscapedOutput ? this.output.raw : this.output;
  }

  /** Ends the stage before, if any, and begins the next. */
  start(label: string): void {
    this.stop();
    if (!this.output.isTTY && this.verbosity !== "quiet") this.output.write(`${label}\n`);
    this.#draw(label);
    this.#stage = { label, since: performance.now() };
  }

  /** The same without a line in a log: for what is shorter than a line is worth. */
  begin(label: string): void {
    this.stop();
    this.#draw(label);
  }

  #draw(label: string): void {
    if (!this.output.isTTY || this.verbosity === "quiet") return;
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
    if (this.verbosity !== "quiet") this.output.write(`${message}\n`);
  }

  /** The same for what somebody has to know, with `--quiet` too. */
  warn(message: string): void {
    this.stop();
    this.output.write(`warning: ${message}\n`);
  }

  /** A line for those who look for a cause; with `--verbose` alone. @returns whether it was written */
  detail(message: string): boolean {
    if (this.verbosity !== "verbose") return false;
    this.say(message);
    return true;
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
    const stage = this.#stage;
    this.#stage = undefined;
    if (stage) this.detail(`${stage.label}: done in ${seconds((performance.now() - stage.since) / 1000)}`);
  }
}

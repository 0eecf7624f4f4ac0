// Parsers for option values: each gives the value or one message that says what was found and what is expected.
import { InvalidArgumentError, Option } from "commander";
import { ENGINES, MAX_THREADS, parseEngine } from "./engine/engine.js";
import { reasonOf } from "./errors.js";
import { HISTORIES, SPLITS } from "./evaluation/protocol.js";

/** An integer of at least `least`, and at most `most` where there is a limit. */
export function integerFrom(least: number, most = Number.POSITIVE_INFINITY): (text: string) => number {
  const range = most === Number.POSITIVE_INFINITY ? `from ${least} on` : `from ${least} to ${most}`;
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isSafeInteger(value) || value < least || value > most) {
      throw new InvalidArgumentError(`An integer ${range} is expected.`);
    }
    return value;
  };
}

/** A share in [0, 1]. */
export function share(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 1))
    throw new InvalidArgumentError("A share from 0 to 1 is expected.");
  return value;
}

/** A number or "none", which stays a word: commander takes null for "no value". */
export function numberOrNone(text: string): number | "none" {
  if (text === "none") return text;
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError('A number or "none" is expected.');
  return value;
}

/** Lets an option be given several times, with several values each. */
export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

/** A parser of the library as an option parser: its error becomes commander's. */
export function parsedBy<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError(reasonOf(error));
    }
  };
}

/** A finite number of at least `least`, or above it. */
export function numberFrom(least: number, { above = false } = {}): (text: string) => number {
  return (text) => {
    const value = Number(text);
    const good = text.trim() !== "" && Number.isFinite(value) && (above ? value > least : value >= least);
    if (!good)
      throw new InvalidArgumentError(`A number ${above ? "above" : "from"} ${least}${above ? "" : " on"} is expected.`);
    return value;
  };
}

/** `--engine` and `--threads`, the same for every command that opens a backbone: flag, description, parser. */
export const ENGINE = [
  "--engine <name>",
  `the engine that computes: ${ENGINES.join(", ")} (default: cpu)`,
  parsedBy(parseEngine),
] as const;
export const THREADS = [
  "--threads <n>",
  "threads of the CPU (default: CLLM4REC_THREADS, else all)",
  integerFrom(1, MAX_THREADS),
] as const;

/** `--model` of the commands that predict: several directories are one ensemble. */
export const MODELS = [
  "--model <dir...>",
  "a model directory that train wrote; the logits of several, for example with different seeds, are averaged",
] as const;

/** `--no-blend` of the commands that predict. */
export const NO_BLEND = ["--no-blend", "the model alone, even if its directory holds a blend"] as const;

/** `--split`; without a default here, the command says what it is. */
export const splitOption = (description = "the split to evaluate") =>
  new Option("--split <name>", description).choices([...SPLITS]);

/** `--metrics`, of evaluate and baselines. */
export const METRICS = [
  "--metrics <name...>",
  "such as recall@20, recall-all@10 (by all held-out items, not min(K, held-out)), ndcg@10, mrr, coverage@20 " +
    "(default: recall@20 recall@40 ndcg@100)",
] as const;

export const historyOption = () =>
  new Option("--history <splits>", "the splits that form each user's history")
    .choices([...HISTORIES])
    .default(HISTORIES[0]);

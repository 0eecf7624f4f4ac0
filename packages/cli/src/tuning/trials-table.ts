// The trials of a search for people: one line each, a table of the best, and a CSV file of all.
import type { JsonRecord } from "@cllm4rec/training";
import type { Trial } from "@cllm4rec/training/search";

/** `dropout 0.2, batch 64`, the section left out. */
export function settingsText(settings: JsonRecord): string {
  const parts = Object.entries(settings).map(
    ([place, value]) =>
      `${place.replace(/^finetune\./, "")} ${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return parts.length === 0 ? "the settings to start from" : parts.join(", ");
}

/** What a trial reached: its metrics on validation, or why it has none. */
export function metricsOf(trial: Pick<Trial, "score" | "details">): string {
  if (trial.score === null) return `no score: ${textOf(trial.details?.error)}`;
  const metrics = Object.entries(measuredOf(trial)).map(([name, value]) => `${name} ${Number(value).toFixed(4)}`);
  return `validation ${metrics.join(", ")}`;
}

/** Seconds of training and validation, of this trial alone. */
export const secondsOf = ({ details }: Pick<Trial, "details">): number =>
  typeof details?.seconds === "number" ? details.seconds : 0;

const measuredOf = ({ details }: Pick<Trial, "details">): JsonRecord => (details?.metrics ?? {}) as JsonRecord;
const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

/** The best trials, highest score first, a line each; every candidate once, by its longest training. */
export function trialsText(trials: readonly Trial[], most = 5): string {
  const longest = new Map(trials.filter(({ score }) => score !== null).map((trial) => [trial.candidate, trial]));
  const best = [...longest.values()].sort((a, b) => b.score! - a.score!).slice(0, most);
  const row = (cells: readonly string[]) =>
    `  ${cells.map((cell, c) => (c < 3 ? cell.padStart(10) : cell)).join("  ")}\n`;
  const rows = best.map(({ candidate, budget, score, settings }) =>
    row([String(candidate), String(budget), score!.toFixed(4), settingsText(settings)]),
  );
  return row(["candidate", "epochs", "score", "settings"]) + rows.join("");
}

/** All trials in their order: candidate, epochs, score, metrics, seconds, settings, error. */
export function trialsCsv(trials: readonly Trial[]): string {
  const keysOf = (of: (trial: Trial) => JsonRecord) => [...new Set(trials.flatMap((trial) => Object.keys(of(trial))))];
  const [metrics, settings] = [keysOf(measuredOf), keysOf((trial) => trial.settings)];
  const head = ["candidate", "epochs", "score", ...metrics, "seconds", ...settings, "error"];
  const rows = trials.map((trial) => [
    trial.candidate,
    trial.budget,
    trial.score,
    ...metrics.map((name) => measuredOf(trial)[name]),
    secondsOf(trial).toFixed(1),
    ...settings.map((name) => trial.settings[name]),
    trial.details?.error,
  ]);
  return [head, ...rows].map((row) => `${row.map(cell).join(",")}\n`).join("");
}

function cell(value: unknown): string {
  if (value === undefined || value === null) return "";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

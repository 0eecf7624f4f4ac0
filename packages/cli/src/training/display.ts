// Training events for people: a bar with loss and time left at a terminal, one line an epoch in a log.
import type { EventListener, RoundDone, StepDone, TrainingEvent, ValidationDone } from "@cllm4rec/training";
import type { StageDisplay } from "../progress.js";

/** What a pass over the users or texts is called in each phase. */
const ROUND: Readonly<Record<string, string>> = {
  "warm-up": "warm-up epoch",
  alternation: "round",
  recommendation: "epoch",
};

/**
 * A listener that draws.
 * @param total rounds of a phase, where their number is known
 */
export function trainingDisplay(
  display: StageDisplay,
  total: (phase: string) => number | undefined,
  now: () => number = () => performance.now(),
): EventListener {
  let shown = "";
  let begun = now();
  /** When the bar began, and after which step: the pace that the time left is reckoned by. */
  let pace = { since: 0, step: 0 };
  let waiting: RoundDone | undefined;
  const flush = (validation?: ValidationDone) => {
    if (!waiting) return;
    display.say(roundLine(waiting, (now() - begun) / 1000, total(waiting.phase), validation));
    waiting = undefined;
    begun = now();
  };
  const onStep = (event: StepDone) => {
    flush();
    const label = `${event.stage}: ${roundName(event, total(event.phase))}, ${event.task}`;
    if (label !== shown) {
      display.begin(label);
      shown = label;
      pace = { since: now() - event.milliseconds, step: event.step - 1 };
    }
    const perStep = (now() - pace.since) / (event.step - pace.step);
    const rest = [
      `loss ${event.languageModel.toFixed(4)}`,
      ...(event.mutual === 0 ? [] : [`regulariser ${event.mutual.toFixed(4)}`]),
      `ETA ${duration(((event.steps - event.step) * perStep) / 1000)}`,
    ];
    display.update(event.step / event.steps, rest.join("  "));
  };
  return (event: TrainingEvent) => {
    switch (event.type) {
      case "run-started":
        begun = now();
        if (event.update > 0) display.say(`${event.stage}: resumes after update ${event.update}`);
        else display.say(`${event.stage}: starts`);
        break;
      case "notice":
        display.say(`${event.stage}: ${event.message}`);
        break;
      case "step":
        onStep(event);
        break;
      case "round":
        display.stop();
        shown = "";
        waiting = event;
        break;
      case "validation":
        flush(event);
        break;
      case "run-ended":
        flush();
        display.stop();
        shown = "";
        break;
      case "checkpoint":
        if (display.detail(`${event.stage}: checkpoint after update ${event.update}: ${event.file}`)) shown = "";
        break;
    }
  };
}

const roundName = ({ phase, round }: { phase: string; round: number }, total: number | undefined) =>
  `${ROUND[phase] ?? phase} ${round + 1}${total === undefined ? "" : `/${total}`}`;

function roundLine(
  event: RoundDone,
  seconds: number,
  total: number | undefined,
  validation: ValidationDone | undefined,
): string {
  const losses = Object.entries(event.languageModel).map(([task, loss]) => `${task} loss ${loss.toFixed(4)}`);
  const parts = [...losses, `${seconds.toFixed(1)} s`];
  if (validation) {
    const metrics = Object.entries(validation.metrics).map(([name, value]) => `${name} ${value.toFixed(4)}`);
    parts.push(`validation ${metrics.join(" ")}${validation.best ? " (best)" : ""}`);
  }
  return `${event.stage}: ${roundName(event, total)}, ${parts.join(", ")}`;
}

/** `75` → `1:15`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

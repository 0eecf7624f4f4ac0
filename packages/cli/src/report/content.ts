// What the page shows: gathered by report.ts, laid out by the sections.
import type { Manifest } from "@cllm4rec/corpus";
import type { TrainedModel } from "@cllm4rec/recommend";
import type { Protocol } from "../evaluation/protocol.js";
import type { Measurement } from "./measure.js";
import type { RunFacts } from "./run-facts.js";
import type { Sample } from "./samples.js";

export interface ReportContent {
  readonly directory: string;
  readonly facts: RunFacts;
  readonly manifest: Manifest;
  readonly model?: Pick<TrainedModel, "description" | "serving"> & { readonly hasContent: boolean };
  readonly measured?: {
    readonly protocol: Pick<Protocol, "split" | "historyOf">;
    readonly measurement: Measurement;
    readonly samples: readonly Sample[];
    /** Of the frozen LM. */
    readonly backboneParameters: number;
  };
}

// report.html of a run: gathers what is known of it, measures the model beside simple recommenders, writes one page.
import fs from "node:fs";
import path from "node:path";
import { Dataset } from "@cllm4rec/corpus";
import { openItsDataset, openPredictor, openTrainedModel } from "@cllm4rec/recommend";
import type { EngineSettings } from "../engine/engine.js";
import { type HeldOutSplit, type HistoryChoice, openProtocol } from "../evaluation/protocol.js";
import { writeWhole } from "../files/whole-file.js";
import { naming, serving } from "../models/workplace.js";
import type { StageDisplay } from "../progress.js";
import { type Measurement, measure } from "./measure.js";
import { page } from "./page.js";
import { readFacts } from "./run-facts.js";
import { sampleUsers } from "./samples.js";

export interface ReportOptions {
  /** The model directory. */
  readonly model: string;
  /** What the model is measured on; default: test where the dataset has it, else validation. */
  readonly split?: HeldOutSplit;
  /** Default `train`, as in the paper. */
  readonly history?: HistoryChoice;
  /** The page to write; default `report.html` in the model directory. */
  readonly out?: string;
  /** Dataset and backbone, if they were moved since. */
  readonly data?: string | undefined;
  readonly backbone?: string | undefined;
  /** False: the model alone is measured, also where its directory holds a blend. Default true. */
  readonly blend?: boolean;
  /** What computes; default: the CPU with all its cores. */
  readonly engine?: EngineSettings;
  /** False: learning curves, settings and sizes only, for which no backbone is opened. Default true. */
  readonly evaluate?: boolean;
  readonly signal: AbortSignal;
  readonly display: StageDisplay;
}

/** What was written, and what is in it. */
export interface WrittenReport {
  readonly file: string;
  readonly split?: HeldOutSplit;
  readonly history?: HistoryChoice;
  /** Absent where nothing was measured. */
  readonly measurement?: Measurement;
}

/**
 * Writes a run's report, whole or not at all. A directory in which training was stopped before there was a model gives
 * the report of that.
 * @throws Error where the directory holds no run, or dataset or backbone are not those of training; the signal's reason
 *   when aborted
 */
export async function writeReport(options: ReportOptions): Promise<WrittenReport> {
  const { model: directory, signal, display, evaluate = true } = options;
  const file = options.out ?? path.join(directory, "report.html");
  const facts = await readFacts(directory);
  // Where there is a record of a run and no model, the run was stopped early; without either, opening the model says
  // what is missing.
  const { record } = facts;
  const early = record !== undefined && !fs.existsSync(path.join(directory, "embeddings.safetensors"));
  const model = early ? undefined : await openTrainedModel(directory);
  const dataset = model
    ? await naming(() => openItsDataset(model, options.data))
    : await Dataset.open(options.data ?? record?.dataset.path ?? directory);
  try {
    const { manifest } = dataset;
    const described = model && {
      description: model.description,
      serving: model.serving,
      hasContent: model.tables.content !== undefined,
    };
    const common = { directory, facts, manifest, ...(described && { model: described }) };
    const split = options.split ?? (manifest.test > 0 ? "test" : "validation");
    // A split that was asked for and is empty is an error; without any held-out items there is nothing to measure.
    const possible = options.split !== undefined || manifest[split] > 0;
    if (!model || !evaluate || !possible) {
      await writeWhole(file, page(common));
      return { file };
    }
    const protocol = await openProtocol(dataset, split, options.history);
    return await serving(options, { signal, display }, async (places) => {
      const { predictor, dispose } = await openPredictor([model], places);
      try {
        const engine = options.engine ?? { engine: "cpu" };
        const measurement = await measure(predictor, protocol, dataset, { engine, signal, display });
        const samples = await sampleUsers(predictor, protocol, dataset, { signal });
        const { historyOf } = protocol;
        const measured = {
          protocol: { split, historyOf },
          measurement,
          samples,
          backboneParameters: predictor.model.backbone.parameterCount,
        };
        await writeWhole(file, page({ ...common, measured }));
        return { file, split, history: historyOf, measurement };
      } finally {
        await dispose();
      }
    });
  } finally {
    display.stop();
    dataset.close();
  }
}

// @cllm4rec/corpus: from raw interaction files to a split dataset on disk, and from there to documents and batches.

// — dataset directory —
export { type Csr, csrRow } from "./dataset/csr.js";
export { Dataset, type OpenOptions, type Split, type TrainReview } from "./dataset/dataset.js";
export type { Manifest, Preparation, RecordCounts, Statistics } from "./dataset/manifest.js";
export { type DatasetContent, writeDataset } from "./dataset/write.js";
export { CorpusError, CorpusUsageError } from "./errors.js";

// — documents —

// — batches —

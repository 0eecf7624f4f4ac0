// Which package may import which: the workspace's architecture as data, read by check-imports.mjs.
// A line here is a decision about the design; the order is the data's way, and nothing may import from a line below its
// own.

/** The scope that every package of this workspace is published under. */
export const scope = "@cllm4rec";

/** Folder below `packages/` → the packages it may import. A package may be listed before it exists. */
export const mayImport = {
  "onnx-grad": [],
  "tokenizer-ext": [],
  corpus: ["tokenizer-ext"],
  backbone: ["onnx-grad"],
  training: ["onnx-grad", "corpus", "backbone"],
  eval: [],
  recommend: ["onnx-grad", "tokenizer-ext", "corpus", "backbone", "training", "eval"],
  server: ["onnx-grad", "training", "recommend"],
  pretrain: ["training", "recommend", "backbone", "corpus"],
  finetune: ["training", "backbone", "corpus", "eval", "recommend"],
  cli: [
    "onnx-grad",
    "tokenizer-ext",
    "corpus",
    "backbone",
    "training",
    "eval",
    "recommend",
    "server",
    "pretrain",
    "finetune",
  ],
};

/**
 * Private helpers outside `packages/`: tests may import them, published code may not. They import no package
 * themselves.
 */
export const privateTools = ["testing"];

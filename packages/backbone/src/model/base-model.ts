// The CLLM4Rec base model (Eq. 3): a frozen LM over words, users and items, with three tied heads and gradients towards
// the soft rows.
import type { Feeds, Session, Tensor } from "@cllm4rec/onnx-grad";
import { type GenerateOptions, generateTokens } from "../generation/generate.js";
import type { Backbone } from "./backbone.js";
import { int64Vector, type LastFeeds, lastQueries, type PackedBatch, packBatch, type Vocabulary } from "./batch.js";
import { candidateFeeds } from "./candidates.js";
import type {
  EmbeddingTable,
  EncoderDecoderSequence,
  HeldOutInput,
  LanguageInput,
  Prompt,
  SoftTables,
} from "./documents.js";
import type { DropoutOptions } from "./dropout.js";
import type { GraphRequest, WantedGraph } from "./graph-request.js";
import type { HeadKind, LossGraphOptions } from "./graphs.js";
import type { LanguageModel } from "./language-model.js";
import type { SequenceLayout } from "./layout.js";
import { loadRequested } from "./load-graph.js";
import type { LossOptions, LossResult } from "./loss.js";
import { lossGradients, memoryOf } from "./loss-gradients.js";
import { packPairBatch } from "./pair-batch.js";
import { type SkipFeeds, skipFeeds } from "./skip-path.js";

// Shape legend: N words, I users, J items, K width of the LM, D of the tables, T tokens of a sequence (of
// the decoder's, where there is an encoder), M scored positions.

/** One target: a class at a scored position of a document. */
interface Target {
  readonly document: number;
  readonly row: number;
  readonly target: number;
}

/**
 * @typeParam B the LM: a frozen `Backbone` by default, or a `TrainableBackbone`, whose weights then get gradients too
 */
export class BaseModel<B extends LanguageModel = Backbone> {
  readonly vocabulary: Vocabulary;
  private sessions = new Map<string, Promise<Session>>();

  /**
   * @param sizes I and J; the extended vocabulary is the backbone's N rows, then I users, then J items. `width`: D of
   *   the tables, K where absent. The LM reads the first K numbers of an embedding; the skip path and the items' head
   *   have all of them
   * @throws RangeError where a size is no whole number, or the tables are narrower than the LM
   */
  constructor(
    readonly backbone: B,
    sizes: { readonly users: number; readonly items: number; readonly width?: number },
  ) {
    const { vocabularySize, hiddenSize, headSize, maxPositions } = backbone.config;
    const { users, items, width = hiddenSize } = sizes;
    for (const [name, size] of Object.entries({ users, items, width })) {
      if (!Number.isInteger(size) || size < 0) throw new RangeError(`${name}: ${size}, expected a whole number`);
    }
    if (width < hiddenSize) throw new RangeError(`width: ${width}, expected at least the LM's ${hiddenSize}`);
    this.vocabulary = { words: vocabularySize, users, items, width, hiddenSize, headSize, maxPositions };
  }

  /**
   * The model over other numbers of users and items, such as with items that were added to the tables. It shares the
   * loaded graphs, whose sizes these are not: disposing of either frees them.
   * @throws RangeError where a size is no whole number
   */
  withSizes(sizes: { readonly users: number; readonly items: number }): BaseModel<B> {
    const { width } = this.vocabulary;
    const resized = new BaseModel(this.backbone, { ...sizes, width });
    resized.sessions = this.sessions;
    return resized;
  }

  /** Which documents the losses take: one sequence each (`ids`), or two (`encoderIds`, `decoderIds`). */
  get layout(): SequenceLayout {
    return this.backbone.layout;
  }

  /**
   * Next-item language modelling, Eq. 4: softmax over all items from every position that has a target.
   * @throws RangeError where a target is no item, or a document is not of the backbone's layout
   */
  async nextItemLoss(
    documents: readonly LanguageInput[],
    tables: SoftTables,
    options: LossOptions = {},
  ): Promise<LossResult> {
    const { words, users, items } = this.vocabulary;
    return this.sequenceLoss("items", documents, tables, words + users, items, options);
  }

  /**
   * Next-word language modelling, Eq. 5: softmax over the frozen vocabulary from every position that has a target.
   * @throws RangeError where a target is no vocabulary token, or a document is not of the backbone's layout
   */
  async nextWordLoss(
    documents: readonly LanguageInput[],
    tables: SoftTables,
    options: LossOptions = {},
  ): Promise<LossResult> {
    return this.sequenceLoss("words", documents, tables, 0, this.vocabulary.words, options);
  }

  /**
   * The multinomial log-likelihood of the held-out items from the last position of every prompt, Eq. 9; with an
   * encoder–decoder from the decoder's last position, which is its start token.
   * @throws RangeError where a document has no held-out item, or one outside 0 … J−1, or is not of the backbone's
   *   layout
   */
  async heldOutLoss(
    documents: readonly HeldOutInput[],
    tables: SoftTables,
    options: LossOptions = {},
  ): Promise<LossResult> {
    const { items } = this.vocabulary;
    const batch = this.pack(this.sequencesOf(documents), tables);
    const targets = documents.flatMap(({ heldOut }, document) => {
      if (heldOut.length === 0) throw new RangeError(`document ${document} has no held-out item`);
      return Array.from(heldOut, (target): Target => {
        if (!Number.isInteger(target) || target < 0 || target >= items)
          throw new RangeError(`document ${document}: held-out item ${target}, expected 0 … ${items - 1}`);
        return { document, row: document, target };
      });
    });
    const scored = { ...this.lastFeeds(batch), ...skipFeeds(batch, this.vocabulary, tables) };
    return this.loss("items", batch, scored, targets, documents.length, tables, options);
  }

  /** Final hidden states of every sequence, [T, K] each, as they come out of the last normalisation. */
  async hiddenStates(sequences: readonly Prompt[], tables: SoftTables, signal?: AbortSignal): Promise<Float32Array[]> {
    const batch = this.pack(sequences, tables);
    const { queryBlocks } = batch;
    const { hiddenStates } = await this.run({ kind: "hidden", queryBlocks }, batch.feeds, signal);
    const { hiddenSize: width } = this.vocabulary;
    const data = hiddenStates!.data as Float32Array;
    return batch.lengths.map((length, s) => {
      const states = new Float32Array(length * width);
      for (let t = 0; t < length; t++) {
        const from = batch.place(s, t) * width;
        states.set(data.subarray(from, from + width), t * width);
      }
      return states;
    });
  }

  /**
   * The embedding of every prompt's user, row-major [prompts, D]: its inner product with an item's embedding is the
   * item's score. The LM's last hidden state, with the skip path where the tables have one, times the tied head's
   * scale.
   */
  async userStates(prompts: readonly Prompt[], tables: SoftTables, signal?: AbortSignal): Promise<Float32Array> {
    const batch = this.pack(prompts, tables);
    const skip = skipFeeds(batch, this.vocabulary, tables);
    const { queryBlocks } = batch;
    const feeds = { ...batch.feeds, ...this.lastFeeds(batch), ...skip };
    const { states } = await this.run({ kind: "user-states", queryBlocks, skip: skip !== undefined }, feeds, signal);
    return states!.data as Float32Array;
  }

  /** Scores (logits) of all items after every prompt: row-major [prompts, J]. */
  async itemScores(prompts: readonly Prompt[], tables: SoftTables, signal?: AbortSignal): Promise<Float32Array> {
    return this.lastLogits("items", prompts, tables, signal);
  }

  /** Logits of the next word after every prompt: row-major [prompts, N]. */
  async nextWordLogits(prompts: readonly Prompt[], tables: SoftTables, signal?: AbortSignal): Promise<Float32Array> {
    return this.lastLogits("words", prompts, tables, signal);
  }

  /**
   * Continues a prompt word by word, each token as soon as it is chosen. Deterministic for a given seed. An
   * encoder–decoder answers the prompt in its encoder.
   * @param prompt extended ids
   * @throws RangeError for a prompt that does not fit, or sampling options out of range
   */
  async *generate(
    prompt: Prompt,
    tables: SoftTables,
    options: GenerateOptions = {},
  ): AsyncGenerator<number, void, undefined> {
    const { layout } = this;
    const step = await this.session({ kind: "generation" });
    const memory = layout.kind === "encoder-decoder" && (await this.session({ kind: "memory" }));
    const sequence =
      layout.kind === "encoder-decoder" ? pairOf(prompt, layout.decoderStart) : this.single(prompt, "the prompt");
    const sessions = { step, ...(memory && { memory }) };
    yield* generateTokens(sessions, this.backbone, this.vocabulary, sequence, tables, options);
  }

  /** Loads the graph of a loss ahead of its first step; without it the first step does. */
  async prepare(
    loss: "next-item" | "next-word" | "held-out",
    { gradients = true, skip = false, dropout }: Pick<LossOptions, "gradients" | "dropout"> & { skip?: boolean } = {},
  ): Promise<void> {
    const head = loss === "next-word" ? "words" : "items";
    const lastOnly = loss === "held-out" && this.layout.kind === "decoder-only";
    await this.lossSession({
      head,
      gradients,
      queryBlocks: 1,
      lastOnly,
      ...(skip && { skip }),
      ...droppedWhat(dropout),
    });
  }

  /** Frees the model's sessions; the backbone stays open. */
  async dispose(): Promise<void> {
    const sessions = [...this.sessions.values()];
    this.sessions.clear();
    await Promise.all(sessions.map(async (session) => (await session).dispose()));
  }

  private async lastLogits(
    head: HeadKind,
    prompts: readonly Prompt[],
    tables: SoftTables,
    signal: AbortSignal | undefined,
  ): Promise<Float32Array> {
    const batch = this.pack(prompts, tables);
    const skip = head === "items" ? skipFeeds(batch, this.vocabulary, tables) : undefined;
    const feeds = {
      ...batch.feeds,
      ...this.lastFeeds(batch),
      ...skip,
      ...(head === "items" ? { itemTable: this.itemTable(tables.items) } : {}),
    };
    const { queryBlocks } = batch;
    const { logits } = await this.run({ kind: "logits", head, queryBlocks, skip: skip !== undefined }, feeds, signal);
    return logits!.data as Float32Array;
  }

  /** Rows of an encoder–decoder's decoder are short: its last block takes all queries. */
  private lastFeeds(batch: PackedBatch): ScoredFeeds {
    const { scored, ...queries } = lastQueries(batch);
    return this.layout.kind === "decoder-only" ? { scored, ...queries } : { scored };
  }

  private sequenceLoss(
    head: HeadKind,
    documents: readonly LanguageInput[],
    tables: SoftTables,
    firstClass: number,
    classes: number,
    options: LossOptions,
  ): Promise<LossResult> {
    const batch = this.pack(this.sequencesOf(documents), tables);
    const scored: number[] = [];
    const targets: Target[] = [];
    documents.forEach(({ targets: wanted }, document) => {
      const tokens = batch.lengths[document];
      if (wanted.length !== tokens)
        throw new RangeError(`document ${document}: ${wanted.length} targets for ${tokens} tokens`);
      for (let t = 0; t < wanted.length; t++) {
        if (wanted[t] === -1) continue;
        const target = wanted[t]! - firstClass;
        if (!Number.isInteger(target) || target < 0 || target >= classes) {
          const kind = firstClass === 0 ? "a vocabulary token" : "an item";
          throw new RangeError(
            `document ${document}, position ${t}: target ${wanted[t]}, expected ${kind}, ${firstClass} … ` +
              `${firstClass + classes - 1}, or −1 for none`,
          );
        }
        targets.push({ document, row: scored.length, target });
        scored.push(batch.place(document, t));
      }
    });
    return this.loss(head, batch, { scored: int64Vector(scored) }, targets, documents.length, tables, options);
  }

  private async loss(
    head: HeadKind,
    batch: PackedBatch,
    scored: ScoredFeeds,
    targets: readonly Target[],
    documents: number,
    tables: SoftTables,
    options: LossOptions,
  ): Promise<LossResult> {
    const { reduction = "target-mean", gradients: withGradients = true, dropout, reusableGradients, signal } = options;
    const candidates = head === "items" ? options.candidates : undefined;
    const some = candidates && candidateFeeds(candidates, tables.items.rows, targets);
    if (targets.length === 0) throw new RangeError("the documents have no targets");
    const weight = reduction === "sum" ? 1 : 1 / (reduction === "target-mean" ? targets.length : documents);
    const positions = scored.scored.data.length;
    const rowWeights = new Float32Array(positions);
    for (const { row } of targets) rowWeights[row]! += weight;
    const feeds: Feeds = {
      ...batch.feeds,
      ...scored,
      targetRows: int64Vector(targets.map(({ row }) => row)),
      targetClasses: int64Vector(targets.map(({ target }) => target)),
      targetWeights: { dtype: "float32", shape: [targets.length], data: new Float32Array(targets.length).fill(weight) },
      rowWeights: { dtype: "float32", shape: [positions, 1], data: rowWeights },
      ...(head === "items" ? { itemTable: this.itemTable(tables.items), ...some } : {}),
      ...(dropout ? { dropoutSeed: { dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(dropout.seed)) } } : {}),
    };
    const { queryBlocks } = batch;
    const lastOnly = "queries" in scored;
    const variant = { ...("skipGain" in scored && { skip: true }), ...(some && { candidates: true }) };
    const graph = { head, gradients: withGradients, queryBlocks, lastOnly, ...variant, ...droppedWhat(dropout) };
    const session = await this.lossSession(graph);
    const reuse = withGradients && reusableGradients ? memoryOf(reusableGradients, head) : {};
    const outputs = await session.run(feeds, { reuse, ...(signal && { signal }) });
    const documentLosses = new Float64Array(documents);
    const targetLosses = outputs.targetLosses!.data as Float32Array;
    targets.forEach(({ document }, p) => {
      documentLosses[document]! += targetLosses[p]!;
    });
    return {
      loss: Number(outputs.loss!.data[0]),
      documentLosses,
      targets: targets.length,
      usefulTokens: batch.usefulTokens,
      computedTokens: batch.computedTokens,
      ...(withGradients ? { gradients: lossGradients(this.backbone, this.vocabulary, batch, outputs) } : {}),
    };
  }

  private pack(sequences: readonly Prompt[], tables: SoftTables): PackedBatch {
    const { layout, vocabulary } = this;
    if (layout.kind === "encoder-decoder") {
      const pairs = sequences.map((sequence) => pairOf(sequence, layout.decoderStart));
      return packPairBatch(pairs, vocabulary, tables);
    }
    return packBatch(
      sequences.map((sequence, i) => this.single(sequence, `sequence ${i}`)),
      vocabulary,
      tables,
    );
  }

  /** The sequences of documents. @throws RangeError for one that is not of the backbone's layout */
  private sequencesOf(documents: readonly (LanguageInput | HeldOutInput)[]): Prompt[] {
    return documents.map((document, i) => {
      if (!("ids" in document)) return document;
      if (this.layout.kind === "decoder-only") return document.ids;
      throw new RangeError(
        `document ${i} has ids; a ${this.backbone.config.modelType} backbone takes encoderIds and decoderIds: ` +
          "make documents with the layout that model.layout names",
      );
    });
  }

  /** The sequence for an LM without an encoder. @throws RangeError where there are two */
  private single(sequence: Prompt, name: string): ArrayLike<number> {
    if (!("encoderIds" in sequence)) return sequence;
    throw new RangeError(
      `${name} has encoderIds; a ${this.backbone.config.modelType} backbone has no encoder: make documents with ` +
        "the layout that model.layout names",
    );
  }

  private itemTable({ rows, data }: EmbeddingTable): Tensor {
    return { dtype: "float32", shape: [rows, this.vocabulary.width], data };
  }

  private async run(
    request: WantedGraph,
    feeds: Feeds,
    signal: AbortSignal | undefined,
  ): Promise<Record<string, Tensor>> {
    const session = await this.session(request);
    return session.run(feeds, signal ? { signal } : {});
  }

  private lossSession(options: LossGraphOptions): Promise<Session> {
    return this.session({ kind: "loss", options });
  }

  /** The session of a graph, loaded when it is first asked for. */
  private session(wanted: WantedGraph): Promise<Session> {
    const request: GraphRequest = { ...wanted, width: this.vocabulary.width };
    const key = JSON.stringify(request);
    let session = this.sessions.get(key);
    if (!session) {
      session = loadRequested(this.backbone, request);
      this.sessions.set(key, session);
      session.catch(() => this.sessions.delete(key));
    }
    return session;
  }
}

/** What is dropped, without the seed: it selects the graph, the seed is an input. */
function droppedWhat(dropout: DropoutOptions | undefined): Pick<LossGraphOptions, "dropout"> {
  if (!dropout) return {};
  const { seed: _, ...what } = dropout;
  return { dropout: what };
}

/** A prompt alone is for the encoder. */
const pairOf = (sequence: Prompt, decoderStart: number): EncoderDecoderSequence =>
  "encoderIds" in sequence ? sequence : { encoderIds: sequence, decoderIds: [decoderStart] };

/** Which positions are scored: any, or the last ones alone. */
type ScoredFeeds = (Pick<LastFeeds, "scored"> | LastFeeds) & Partial<SkipFeeds>;
